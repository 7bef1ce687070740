"""The demo data sets: whole, as served, and without a leak from training into the test items."""

import json
import re
from itertools import pairwise, product
from pathlib import Path

import pytest

from adapters.datasets import check_dataset
from examples.datasets.build import FOLDER, write
from examples.datasets.phrases import SPLITS, Texts, coach_phrases, support_phrases
from examples.datasets.prompts import ROOT, Row, load_persona, without_passages
from server.turn import prompt

PERSONAS = ("scrum-coach", "support-agent")
FILES = [f"{persona}/{split}.jsonl" for persona in PERSONAS for split in SPLITS]
NEAR = 0.8


def rows(name: str) -> list[Row]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def question(row: Row) -> str:
    return without_passages(row["messages"][1]["content"])


def shingles(text: str) -> frozenset[str]:
    folded = re.sub(r"\d", "0", text.lower())
    return frozenset(folded[place : place + 4] for place in range(len(folded) - 3))


@pytest.mark.parametrize("name", FILES)
def test_the_trainer_finds_nothing_to_object_to(name: str) -> None:
    assert check_dataset(FOLDER / name).findings == ()


def test_the_committed_files_are_what_the_program_builds(tmp_path: Path) -> None:
    write(tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


@pytest.mark.parametrize("name", FILES)
def test_every_row_carries_the_system_message_that_is_served(name: str) -> None:
    served = load_persona(ROOT / "personas" / f"{name.split('/', maxsplit=1)[0]}.yaml")
    expected = prompt.system_text(served.spec.instructions, served.actions.operations, ())
    assert {row["messages"][0]["content"] for row in rows(name)} == {expected}


@pytest.mark.parametrize("persona", PERSONAS)
def test_there_are_enough_test_items_and_none_twice(persona: str) -> None:
    questions = [question(row) for row in rows(f"{persona}/test.jsonl")]
    assert len(questions) >= 120
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize("persona", PERSONAS)
@pytest.mark.parametrize(("held_out", "other"), [("test", "train"), ("test", "valid"), ("valid", "train")])
def test_no_question_is_nearly_one_of_another_split(persona: str, held_out: str, other: str) -> None:
    left = {shingles(question(row)) for row in rows(f"{persona}/{held_out}.jsonl")}
    right = {shingles(question(row)) for row in rows(f"{persona}/{other}.jsonl")}
    assert max(len(one & two) / len(one | two) for one, two in product(left, right)) < NEAR


def entities(persona: str) -> list[Texts]:
    if persona == "support-agent":
        return [support_phrases().products]
    coach = coach_phrases()
    return [coach.people, coach.things, coach.events]


@pytest.mark.parametrize("persona", PERSONAS)
@pytest.mark.parametrize(("held_out", "other"), [("test", "train"), ("test", "valid"), ("valid", "train")])
def test_no_row_names_an_entity_of_another_split(persona: str, held_out: str, other: str) -> None:
    text = "\n".join(question(row) for row in rows(f"{persona}/{other}.jsonl")).lower()
    for kind in entities(persona):
        names = {"test": kind.test, "valid": kind.valid}[held_out]
        assert [name for name in names if re.search(rf"\b{re.escape(name.lower())}\b", text)] == []


def test_order_numbers_of_the_splits_come_from_different_ranges() -> None:
    def used(split: str) -> set[str]:
        return set(re.findall(r"HB-\d+", "".join(map(question, rows(f"support-agent/{split}.jsonl")))))

    assert min(len(used(split)) for split in SPLITS) > 5
    assert used("train").isdisjoint(used("test") | used("valid"))
    assert used("test").isdisjoint(used("valid"))


def templates(split: str) -> set[str]:
    support, coach = support_phrases(), coach_phrases()
    texts = [*support.topics.values(), *support.cues.values()]
    said = {sentence for each in texts for sentence in each.model_dump()[split] if sentence}
    return said | {note["note"] for notes in coach.types.values() for note in notes.model_dump()[split]}


def test_the_splits_share_no_template() -> None:
    train, valid, test = (templates(split) for split in SPLITS)
    assert len(train) > 150
    assert (train & test, train & valid, valid & test) == (set(), set(), set())


def test_support_labels_are_spread_evenly() -> None:
    labels = [row["messages"][-1]["content"].split("\n")[0] for row in rows("support-agent/test.jsonl")]
    assert {labels.count(label) for label in labels} == {7}
    assert len(set(labels)) == 21


def test_every_taught_call_fits_the_schema_of_its_operation() -> None:
    actions = load_persona(ROOT / "personas/scrum-coach.yaml").actions
    taught = set()
    for row in rows("scrum-coach/train.jsonl"):
        contents = [message["content"] for message in row["messages"]]
        for asked, answer in pairwise(contents):
            if found := re.fullmatch(r"Write the arguments of (\w+) as JSON\.", asked):
                actions.validate(found.group(1), answer)
                taught.add(found.group(1))
    assert taught == {operation.name for operation in actions.operations}


@pytest.mark.parametrize(("persona", "least"), [("support-agent", 0.3), ("scrum-coach", 0.2)])
def test_enough_rows_carry_passages(persona: str, least: float) -> None:
    train = rows(f"{persona}/train.jsonl")
    with_passages = [row for row in train if "# Passages\n[1] " in row["messages"][1]["content"]]
    assert len(with_passages) / len(train) >= least


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_taught_marker_points_at_a_passage_that_was_given(persona: str) -> None:
    cited = 0
    for row in rows(f"{persona}/train.jsonl"):
        for marker in re.findall(r"\[\d\]", row["messages"][-1]["content"]):
            assert f"\n{marker} " in row["messages"][1]["content"]
            cited += 1
    assert cited >= 40
