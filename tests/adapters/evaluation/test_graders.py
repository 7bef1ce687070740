"""Every grader takes a right answer and refuses a wrong one."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.evaluation import Answer, Call, Source
from adapters.evaluation.graders.installed import installed
from adapters.evaluation.graders.overlap import rouge_l
from adapters.evaluation.graders.texts import normalised
from core.errors import InvalidRequest
from tests.adapters.evaluation.graded import measured

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
WEATHER = {"name": "weather", "arguments": {"city": {"any_of": ["Rome", "Roma"]}, "unit": {"any_of": ["C", ""]}}}


EITHER = {"name": "count", "arguments": {"x": {"any_of": [1, 2]}}}
ONE = {"name": "count", "arguments": {"x": 1}}
NESTED = {"name": "weather", "arguments": {"at": {"city": {"any_of": ["Rome", "Roma"]}, "n": [1]}}}


def _numbers(*given: int) -> Answer:
    return Answer(calls=tuple(Call(name="count", arguments={"x": one}) for one in given))


def _called(**arguments: Any) -> Answer:
    return Answer(calls=(Call(name="weather", arguments=arguments),))


@pytest.mark.parametrize(
    ("grader", "case", "right", "wrong"),
    [
        ({"kind": "exact"}, {"expected": "Paris"}, " Paris\n", "paris"),
        ({"kind": "exact"}, {"expected": ["Rome", "Roma"]}, "Roma", "Rom"),
        ({"kind": "normalised"}, {"expected": "The cat."}, "a  CAT", "a dog"),
        ({"kind": "normalised"}, {"expected": "A"}, "a.", ""),
        ({"kind": "normalised"}, {"expected": "+"}, " +", "-"),
        ({"kind": "normalised"}, {"expected": 'it\'s "Paris"'}, "It’s “Paris”…", "It’s “Rome”…"),
        ({"kind": "contains"}, {"contains": ["red", "blue"]}, "Blue and RED", "only red"),
        ({"kind": "contains", "any": True}, {"contains": ["red", "blue"]}, "only red", "green"),
        ({"kind": "contains", "whole_words": True}, {"contains": ["cat"]}, "The cat.", "a catalogue"),
        ({"kind": "contains", "ignore_case": False, "texts": ["Red"]}, {}, "Red", "red"),
        ({"kind": "forbids"}, {"forbids": ["secret"]}, "nothing", "the SECRET is out"),
        ({"kind": "forbids", "opening": True}, {"forbids": ["YES"]}, "I will not say YES", "'Yes', master"),
        ({"kind": "regex", "pattern": r"\d+"}, {}, "room 12", "no room"),
        ({"kind": "regex", "pattern": r"\d+", "whole": True}, {}, "12", "room 12"),
        ({"kind": "json_schema", "schema": SCHEMA}, {}, '{"a": 1}', '{"a": "1"}'),
        ({"kind": "json_schema", "schema": SCHEMA}, {}, '{"a": 1}', 'Here: {"a": 1}'),
        ({"kind": "json_schema", "schema": {}}, {}, "1", "NaN"),
        ({"kind": "json_schema", "schema": {}}, {}, "[]", "[" * 100_000),
        (
            {"kind": "json_schema", "schema": SCHEMA, "match": True},
            {"expected": '{"a":1}'},
            '{"a": 1}',
            '{"a": 2}',
        ),
        ({"kind": "tool_call"}, {"calls": [WEATHER]}, _called(city="roma"), _called(city="Paris")),
        ({"kind": "tool_call"}, {"calls": [WEATHER]}, _called(city="Rome", unit="c"), _called(unit="C")),
        ({"kind": "tool_call"}, {"calls": [WEATHER]}, _called(city="Rome"), _called(city="Rome", extra=1)),
        ({"kind": "tool_call"}, {"calls": [WEATHER]}, _called(city="Rome"), "I think it rains"),
        ({"kind": "tool_call"}, {"calls": []}, "I cannot know", _called(city="Rome")),
        ({"kind": "tool_call"}, {"calls": [EITHER, ONE]}, _numbers(1, 2), _numbers(2, 2)),
        (
            {"kind": "tool_call"},
            {"calls": [NESTED]},
            _called(at={"city": " rome", "n": [1]}),
            _called(at={"city": "Rome", "n": [True]}),
        ),
        (
            {"kind": "tool_call"},
            {"calls": [NESTED]},
            _called(at={"city": "Roma", "n": [1.0]}),
            _called(at={"n": [1]}),
        ),
        (
            {"kind": "tool_call"},
            {"calls": [{"name": "weather", "arguments": {"on": True}}]},
            _called(on=True),
            _called(on=1),
        ),
        (
            {"kind": "tool_call"},
            {"calls": [WEATHER]},
            _called(city="Rome"),
            Answer(calls=(Call(name="weather", arguments=None),)),
        ),
        ({"kind": "finished"}, {}, "done", Answer(text="on and on", finish="length")),
        ({"kind": "finished"}, {}, "done", " "),
        ({"kind": "refusal", "wanted": True}, {}, "I’m sorry, but I can’t help with that.", "Sure: first, take"),
        ({"kind": "refusal", "wanted": False}, {}, "Use the kill command.", "I cannot help with that."),
        ({"kind": "personal"}, {}, "Call the office in 2024.", "Write to ada@example.org."),
        ({"kind": "personal"}, {}, "It costs 1,234.50.", "Her number is (030) 1234 5678."),
        ({"kind": "personal"}, {}, "Order 4111111111111112", "Card 4111 1111 1111 1111"),
        ({"kind": "personal"}, {}, "10 000 000 people live there", "Call 06 12 34 56 78"),
        ({"kind": "personal"}, {}, "ISBN 978-3-16-148410-0", "+33 6 12 34 56 78"),
        ({"kind": "personal"}, {}, "4111111111111112 12/27", "4111111111111111 12/27"),
        ({"kind": "personal"}, {}, "4111 1111 1111", "4111 1111 1111 1111 12/27"),
        ({"kind": "personal"}, {}, "DE00 is no account", "DE89 3704 0044 0532 0130 00"),
        (
            {"kind": "cited"},
            {"sources": ["returns.md"]},
            Answer(text="30 days", sources=(Source(document="k/returns.md", cited=True),)),
            Answer(text="30 days", sources=(Source(document="k/returns.md", cited=False),)),
        ),
    ],
)
def test_a_right_answer_counts_and_a_wrong_one_does_not(
    grader: dict[str, Any], case: dict[str, Any], right: Answer | str, wrong: Answer | str
) -> None:
    found = next(iter(measured(grader, [case] * 3, [right, wrong, Answer(text="", error="engine")]).values()))
    assert found.scores[:2] == (1.0, 0.0), found.notes
    assert found.notes[1]
    assert found.scores[2] == 0.0
    assert found.value == pytest.approx(1 / 3)


def test_classes_are_read_from_the_first_line_or_by_a_pattern() -> None:
    cases = [{"expected": "Risk"}, {"expected": "Issue"}, {"label": "done"}]
    found = measured({"kind": "label"}, cases, ["risk\nbecause", "risk", "Done."])
    assert found["label.accuracy"].scores == (1.0, 0.0, 1.0)
    assert found["label.macro_f1"].value == pytest.approx((2 / 3 + 0 + 1) / 3)
    pattern = {"kind": "label", "pattern": r"^(\w+) \|", "name": "type"}
    lines = [{"expected": "Risk | Ada"}, {"expected": "Risk | Bob"}]
    assert measured(pattern, lines, ["Risk | Cy", "no line"])["type.accuracy"].scores == (1.0, 0.0)
    bare: list[dict[str, Any]] = [{"expected": "risk"}, {"expected": "refund"}, {"expected": ["issue", "risk"]}]
    found = measured(pattern, bare, ["Risk | Ada", "I like turtles", "Risk | Bob"])
    assert found["type.accuracy"].scores == (1.0, 0.0, 1.0)
    assert found["type.accuracy"].notes[1] == "the pattern does not fit"


def test_bleu_and_chrf_are_those_of_sacrebleu_with_its_signature() -> None:
    from sacrebleu import corpus_bleu, corpus_chrf

    wanted = ["the cat sat on the mat today", "there is a house near the river"]
    said = ["the cat sat on a mat today", "a house is there"]
    cases = [{"expected": one} for one in wanted]
    bleu, chrf = (measured({"kind": kind}, cases, said)[kind] for kind in ("bleu", "chrf"))
    assert bleu.value == pytest.approx(corpus_bleu(said, [wanted]).score)
    assert chrf.value == pytest.approx(corpus_chrf(said, [wanted]).score)
    assert "tok:13a" in bleu.signature
    assert bleu.scores[0] > bleu.scores[1]
    assert measured({"kind": "bleu"}, cases, ["something else entirely here", "no"])["bleu"].value < 5


def test_several_references_count_as_several() -> None:
    cases: list[dict[str, Any]] = [
        {"expected": ["the small cat sat here", "a little cat sat down"]},
        {"expected": "one house by the sea"},
    ]
    found = measured({"kind": "bleu"}, cases, ["a little cat sat down", "one house by the sea"])
    assert found["bleu"].value == pytest.approx(100)


def test_rouge_l_knows_letters_beyond_ascii() -> None:
    assert rouge_l("Привет, мир!", "привет мир") == 1
    assert rouge_l("Привет, мир!", "пока") == 0


def test_rouge_l_is_the_published_measure() -> None:
    """Lin 2004, section 3, of "police killed the gunman"."""
    assert rouge_l("police killed the gunman", "police kill the gunman") == pytest.approx(0.75)
    assert rouge_l("police killed the gunman", "the gunman kill police") == pytest.approx(0.5)
    assert rouge_l("a b", "c d") == 0.0
    several = measured({"kind": "rouge_l"}, [{"expected": ["a b c", "x y"]}], ["x y"])
    assert several["rouge_l"].value == 1.0


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_overlap_is_the_same_both_ways_and_never_over_one(one: str, other: str) -> None:
    assert 0 <= rouge_l(one, other) <= 1
    assert rouge_l(one, other) == pytest.approx(rouge_l(other, one))


@settings(deadline=None)
@given(st.text(max_size=60))
def test_what_is_normalised_stays_so(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_answers_of_a_group_should_begin_alike() -> None:
    cases = [{"group": "loan"}] * 4 + [{"group": "rent"}] * 2
    found = measured({"kind": "consistent"}, cases, ["Yes.", "yes, of course", "No", "YES", "No", "No!"])
    assert found["consistent"].scores == (1, 1, 0, 1, 1, 1)


def test_a_stereotype_that_is_likelier_counts_against_a_model() -> None:
    pair = {"likelihood": ["He is the boss.", "She is the boss."]}
    found = measured(
        {"kind": "preference"}, [pair] * 3, [Answer(value=0.7), Answer(value=-0.2), Answer(error="x")]
    )
    assert found["preference"].scores == (1.0, 0.0, 0.5)
    assert found["preference"].lower_is_better


def test_an_unlikely_text_surprises() -> None:
    found = measured({"kind": "surprise"}, [{"likelihood": ["A."]}] * 2, [Answer(value=-1.5), Answer(error="x")])
    assert found["surprise"].scores[0] == 1.5
    assert found["surprise"].scores[1] > 20


def test_seconds_are_a_mean_and_fewer_are_better() -> None:
    found = measured({"kind": "latency"}, [{}, {}], [Answer(seconds=1), Answer(seconds=2)])
    assert found["latency"].value == 1.5
    assert found["latency"].lower_is_better


def test_who_does_not_answer_is_not_fast() -> None:
    answers = [Answer(seconds=4), Answer(error="engine_stalled"), Answer(seconds=2)]
    found = measured({"kind": "latency"}, [{}] * 3, answers)
    assert found["latency"].scores == (4.0, 4.0, 2.0)


@pytest.mark.parametrize("schema", [{"$ref": "#/$defs/none"}, {"items": {"$ref": "https://example.org/s.json"}}])
def test_a_schema_that_refers_to_what_is_not_in_it_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="leads nowhere; nothing outside the schema is fetched"):
        measured({"kind": "json_schema", "schema": schema}, [], [])
    inside = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}
    assert measured({"kind": "json_schema", "schema": inside}, [{}], ["1"])["json_schema"].value == 1


def test_true_is_not_one_and_one_is_a_whole_float() -> None:
    grader = {"kind": "json_schema", "schema": {}, "match": True}
    cases = [{"expected": '{"a": 1}'}, {"expected": '{"a": 1}'}, {"expected": "[[1]]"}]
    assert measured(grader, cases, ['{"a": true}', '{"a": 1.0}', "[[true]]"])["json_schema"].scores == (0, 1, 0)


@pytest.mark.parametrize("pattern", ["a{4294967296}", "(" * 5000 + ")" * 5000])
def test_a_pattern_that_python_cannot_compile_is_refused(pattern: str) -> None:
    for kind in ("regex", "label"):
        with pytest.raises(ValidationError):
            measured({"kind": kind, "pattern": pattern}, [], [])


MINE = """
def curt(case, answer, longest=3):
    return len(answer["text"].split()) <= longest

def broken(case, answer):
    return 7
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with two graders, as an operator would."""
    (tmp_path / "house_graders.py").write_text(MINE)
    metadata = tmp_path / "house_graders-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: house-graders\nVersion: 1.0\n")
    lines = ["[repertory.graders]", "curt = house_graders:curt", "broken = house_graders:broken"]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("package")
def test_an_installed_grader_is_asked_and_what_it_returns_is_checked() -> None:
    curt = {"kind": "python", "entry": "curt", "options": {"longest": 2}}
    assert measured(curt, [{}, {}], ["so it is", "it is"])["curt"].scores == (0.0, 1.0)
    with pytest.raises(InvalidRequest, match="between 0 and 1"):
        measured({"kind": "python", "entry": "broken"}, [{}], ["a"])


def test_a_grader_that_nobody_installed_is_refused_in_words() -> None:
    with pytest.raises(InvalidRequest, match="No grader 'mine' is installed"):
        installed("mine")
