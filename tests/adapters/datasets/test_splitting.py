"""Splits: whatever the rows, no group is parted, nothing leaks, shares are kept, and a seed decides."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.datasets.example import About, Example, Message
from adapters.datasets.similarity import THRESHOLD, jaccard, normal_form, shingles_of
from adapters.datasets.splitting import Shares, Split, leaks, split
from core.errors import InvalidRequest

WORDS = ("parcel", "sofa", "invoice", "password", "oak", "lamp", "refund", "Tuesday", "cellar", "voucher", "hinge")
SHARES = Shares({"train": 0.8, "valid": 0.1, "test": 0.1})


def example(line: int, question: str, label: str | None = None, group: str | None = None) -> Example:
    messages = (Message("user", question), Message("assistant", "Yes.", learnt=True))
    return Example(line, messages, about=About(label=label, group=group))


def question(random_: random.Random) -> str:
    return " ".join(random_.choices(WORDS, k=8))


@st.composite
def sets(draw: st.DrawFn) -> list[Example]:
    """Rows of a few labels, among them repeated, nearly repeated and grouped ones."""
    random_ = random.Random(draw(st.integers(0, 2**32)))
    made: list[Example] = []
    for line in range(1, draw(st.integers(60, 160)) + 1):
        text, group = question(random_), None
        if made and random_.random() < 0.2:
            earlier = random_.choice(made)
            text = random_.choice((earlier.prompt, earlier.prompt.upper() + "!", f"{earlier.prompt} please"))
        if random_.random() < 0.1:
            group = f"talk {random_.randrange(6)}"
        made.append(example(line, text, random_.choice(("a", "b", "c", None)), group))
    return made


def parts_of(made: Split) -> dict[int, str]:
    return {place: name for name, places in made.parts.items() for place in places}


def made_of(examples: list[Example], shares: Shares) -> Split | None:
    try:
        return split(examples, shares)
    except InvalidRequest as refusal:
        if refusal.code != "part_empty":  # chains of like questions can leave too few groups
            raise
        return None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I learn C++?", "How do I learn C?"),
        ("C# or F#?", "C or F?"),
        ("🎉", "😢"),
        ("कि", "की"),
        ("5 $", "5 €"),
    ],
)
def test_questions_that_differ_in_a_sign_that_means_something_are_two(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


def test_questions_that_differ_in_case_space_punctuation_and_numbers_are_one() -> None:
    assert (
        normal_form("Where is  my order_12?!") == normal_form("where is my “order” 7 …") == "where is my order 0"
    )


@settings(max_examples=40)
@given(sets(), st.integers(0, 5))
def test_every_row_is_in_one_part_and_no_group_in_two(examples: list[Example], seed: int) -> None:
    made = made_of(examples, Shares(SHARES.parts, seed))
    if made is None:
        return
    assert sorted(place for places in made.parts.values() for place in places) == list(range(len(examples)))
    parts = parts_of(made)
    for key_of in (lambda one: one.about.group, lambda one: normal_form(one.prompt)):
        where: dict[str, set[str]] = {}
        for place, one in enumerate(examples):
            if key := key_of(one):
                where.setdefault(key, set()).add(parts[place])
        assert all(len(found) == 1 for found in where.values())


@settings(max_examples=40)
@given(sets())
def test_no_row_of_a_part_says_what_one_of_another_says(examples: list[Example]) -> None:
    made = made_of(examples, SHARES)
    if made is None:
        return
    assert leaks(examples, made) == []
    parts, shingles = parts_of(made), [shingles_of(normal_form(one.prompt)) for one in examples]
    across = [
        jaccard(shingles[one], shingles[other])
        for one in range(len(examples))
        for other in range(one)
        if parts[one] != parts[other]
    ]
    assert max(across, default=0.0) < THRESHOLD


@settings(max_examples=40)
@given(sets())
def test_each_part_has_its_share_of_each_label(examples: list[Example]) -> None:
    made = made_of(examples, SHARES)
    if made is None:
        return
    parts, slack = parts_of(made), 2 * (len(SHARES.parts) - 1) * made.largest
    for name, share in SHARES.parts.items():
        assert abs(len(made.parts[name]) - share * len(examples)) <= slack
    if made.largest > 1:
        return
    for label, rows in Counter(one.about.label or "" for one in examples).items():
        for name, share in SHARES.parts.items():
            found = sum(
                parts[place] == name for place, one in enumerate(examples) if (one.about.label or "") == label
            )
            assert abs(found - share * rows) <= slack


@settings(max_examples=40)
@given(sets(), st.integers(0, 100))
def test_the_same_seed_gives_the_same_parts(examples: list[Example], seed: int) -> None:
    shares = Shares(SHARES.parts, seed)
    assert made_of(examples, shares) == made_of(examples, shares)


def test_labels_of_many_rows_are_spread_as_the_shares_say() -> None:
    random_ = random.Random(1)
    rows = [
        example(n, f"{question(random_)} {n:x}{n * 7919:x}", "rare" if n % 10 == 0 else "often")
        for n in range(1, 401)
    ]
    made = split(rows, SHARES)
    for name, share in SHARES.parts.items():
        rare = sum(rows[place].about.label == "rare" for place in made.parts[name])
        assert abs(rare - share * 40) <= 2
        assert abs(len(made.parts[name]) - share * 400) <= 4


def test_another_seed_gives_other_parts() -> None:
    random_ = random.Random(2)
    rows = [example(n, question(random_)) for n in range(1, 101)]
    assert split(rows, Shares(SHARES.parts, 1)).parts != split(rows, Shares(SHARES.parts, 2)).parts


def test_a_leak_is_told_with_its_reason() -> None:
    rows = [
        example(1, "Where is my parcel, number 12?"),
        example(2, "where is my parcel number 99"),
        example(3, "Where is my parcel, number 12, please?"),
        example(4, "May I send it back?", group="talk"),
        example(5, "Thank you.", group="talk"),
    ]
    bad = Split({"train": (0, 3), "test": (1, 2, 4)}, {"train": 2, "test": 3}, 1)
    why = {leak.why.split(" (")[0] for leak in leaks(rows, bad, threshold=0.6)}
    assert why == {"the same question", "nearly the same question", "the same group"}


def test_a_part_that_would_be_empty_is_refused_with_the_reason() -> None:
    rows = [example(n, "Where is my parcel?") for n in range(1, 30)]
    with pytest.raises(InvalidRequest, match="29 rows form 1 groups") as refusal:
        split(rows, SHARES)
    assert refusal.value.code == "part_empty"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "train",
        "train=1",
        "train=0.5,test=0.6",
        "train=0,test=1",
        "train=0.5,train=0.5",
        "Tr=0.5,te=0.5",
        "a=nan,b=1",
    ],
)
def test_shares_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Shares.parse(text)
    assert refusal.value.code == "shares_invalid"
