"""Splitting a data set into parts so that nothing of one part is in another.

Rows that belong together form a group and are never parted: the same group or conversation, the same question in
normal form, or nearly the same question. Groups go to the parts label by label, so that each part has its share of
each; the same seed gives the same parts. Must never know files.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.datasets.example import Example
from adapters.datasets.row import LABEL
from adapters.datasets.similarity import THRESHOLD, Groups, near_duplicates, normal_form
from core.errors import InvalidRequest

_PARTS = 8
_SUM = 1e-6


@dataclass(frozen=True, slots=True)
class Shares:
    """How much each part gets, and what decides who goes where.

    Attributes:
        parts: part → share, in order; the shares add up to 1.
        seed: another one gives other parts.
        threshold: Jaccard similarity from which two questions count as nearly the same.
        label_key: the key of the label that each part gets its share of.
    """

    parts: Mapping[str, float]
    seed: int = 0
    threshold: float = THRESHOLD
    label_key: str = LABEL

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> "Shares":
        """Read `train=0.8,valid=0.1,test=0.1`.

        Raises:
            InvalidRequest: it is none, or the shares do not add up to 1.
        """
        parts: dict[str, float] = {}
        try:
            for word in text.split(","):
                name, _, share = word.partition("=")
                parts[name.strip()] = float(share)
        except ValueError as error:
            raise _bad_shares(text) from error
        names = all(name.isascii() and name.isalpha() and name.islower() and len(name) <= 16 for name in parts)
        positive = all(share > 0 for share in parts.values())
        if not names or not positive or not 2 <= len(parts) <= _PARTS or text.count(",") + 1 != len(parts):
            raise _bad_shares(text)
        if abs(sum(parts.values()) - 1) > _SUM:
            raise _bad_shares(text)
        return cls(parts, seed)

    @property
    def identity(self) -> str:
        """The same for the same shares, seed and threshold."""
        return hashlib.sha256(json.dumps(self.shown(), sort_keys=True).encode()).hexdigest()[:16]

    def shown(self) -> dict[str, object]:
        """Return it for programs."""
        told: dict[str, object] = {"shares": dict(self.parts), "seed": self.seed, "threshold": self.threshold}
        return told if self.label_key == LABEL else {**told, "label_key": self.label_key}


@dataclass(frozen=True, slots=True)
class Split:
    """Places of examples by part, each in the order of the set.

    Attributes:
        parts: part → places.
        groups: part → groups.
        largest: rows of the largest group.
    """

    parts: Mapping[str, tuple[int, ...]]
    groups: Mapping[str, int]
    largest: int


@dataclass(frozen=True, slots=True)
class Leak:
    """Two rows that say the same and stand in different parts, by their places."""

    first: int
    second: int
    why: str


def split(examples: Sequence[Example], shares: Shares) -> Split:
    """Split examples.

    Raises:
        InvalidRequest: a part would be empty.
    """
    groups = _groups(examples, shares.threshold)
    parts: dict[str, list[int]] = {name: [] for name in shares.parts}
    counts = Counter[str]()
    for part, group in _assigned(groups, examples, shares):
        parts[part].extend(group)
        counts[part] += 1
    largest = max((len(group) for group in groups), default=0)
    if empty := [name for name, places in parts.items() if not places]:
        raise InvalidRequest(
            f"The part {empty[0]!r} would be empty: {len(examples)} rows form {len(groups)} groups, the largest "
            f"of {largest} rows, and no group is parted. Add rows that differ, or ask for fewer parts.",
            code="part_empty",
            param="shares",
        )
    return Split({name: tuple(sorted(places)) for name, places in parts.items()}, dict(counts), largest)


def leaks(examples: Sequence[Example], made: Split, threshold: float = THRESHOLD) -> list[Leak]:
    """Return what of one part stands in another, too; found anew, with other permutations than the split's."""
    part_of = {place: name for name, places in made.parts.items() for place in places}
    found: list[Leak] = []
    for why, key_of in (("the same group", _group_of), ("the same question", _question_of)):
        first: dict[str, int] = {}
        for place, example in enumerate(examples):
            key = key_of(example)
            if key and part_of[first.setdefault(key, place)] != part_of[place]:
                found.append(Leak(first[key], place, why))
    questions = [_question_of(example) for example in examples]
    for one, other, alike in near_duplicates(questions, threshold=threshold, seed=3):
        if part_of[one] != part_of[other] and questions[one] != questions[other]:
            found.append(Leak(one, other, f"nearly the same question ({alike:.2f})"))
    return found


def _groups(examples: Sequence[Example], threshold: float) -> list[list[int]]:
    joined = Groups(len(examples))
    for key_of in (_group_of, _question_of):
        first: dict[str, int] = {}
        keys = ((place, key_of(example)) for place, example in enumerate(examples))
        joined.join((first.setdefault(key, place), place) for place, key in keys if key)
    questions = [_question_of(example) for example in examples]
    for seed in (1, 2):  # what one set of permutations misses at the threshold, the other may find
        joined.join((one, other) for one, other, _ in near_duplicates(questions, threshold=threshold, seed=seed))
    return joined.members()


def _assigned(
    groups: Sequence[Sequence[int]], examples: Sequence[Example], shares: Shares
) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield each group with its part: of one label after another, the largest groups first, where most is missing.

    What a part has too much of one label it gets less of the next, so that the parts come out at their sizes, too.
    Where groups have one label each, a part has at most 2 (parts - 1) times the largest group more or less of a
    label than its share.
    """
    strata: dict[str, list[tuple[int, str, Sequence[int]]]] = defaultdict(list)
    for group in groups:
        labels = Counter(examples[place].about.label or "" for place in group)
        label = min(labels, key=lambda one: (-labels[one], one))
        lot = min(f"{examples[place].line} {examples[place].prompt}" for place in group)
        drawn = hashlib.sha256(f"{shares.seed}\0{lot}".encode()).hexdigest()
        strata[label].append((-len(group), drawn, group))
    missing = dict.fromkeys(shares.parts, 0.0)
    for _, stratum in sorted(strata.items()):
        total = sum(len(group) for _, _, group in stratum)
        for part, share in shares.parts.items():
            missing[part] += share * total
        for _, _, group in sorted(stratum):
            part = max(missing, key=lambda name: missing[name])
            missing[part] -= len(group)
            yield part, group


def _group_of(example: Example) -> str:
    return example.about.group or ""


def _question_of(example: Example) -> str:
    return normal_form(example.prompt)


def _bad_shares(text: str) -> InvalidRequest:
    return InvalidRequest(
        f"{text!r} are no shares. Write two to {_PARTS} parts whose shares add up to 1, such as "
        "train=0.8,valid=0.1,test=0.1; a name has small letters only.",
        code="shares_invalid",
        param="shares",
    )
