"""Each measure of quality counts what it says, and shows where."""

import json
from pathlib import Path

import numpy as np
import pytest

from adapters.datasets.quality import Measure, Persona, Score, Targets, assess
from adapters.datasets.quality.relevance import Vectors
from adapters.datasets.reading import check_dataset
from adapters.datasets.similarity import near_duplicates, normal_form
from tests.adapters.datasets.rows import RESULT, TOOL, A, S, U, asked, call, talk, write


def scores(folder: Path, *rows: str, persona: Persona | None = None, **targets: int) -> dict[str, Score]:
    dataset = check_dataset(write(folder, *rows))
    return {one.dimension: one for one in assess(dataset, Targets(**targets), persona)}  # type: ignore[arg-type]


def measures(score: Score) -> dict[str, Measure]:
    return {measure.name: measure for measure in score.measures}


def lines(measure: Measure) -> list[int]:
    return [one.line for one in measure.evidence]


def test_accuracy_counts_faults_reviewers_contradictions_and_targets_that_cannot_be_read(tmp_path: Path) -> None:
    rows = [
        asked("Where is my parcel?", "On its way.", reviewer="ada"),
        asked("where is my parcel", "On its way!"),
        asked("Where is my parcel?", "Lost."),
        asked("As JSON?", '{"a": 1}'),
        asked("As JSON, please?", '{"a": 1'),
        talk(S, U, call(), RESULT, call(), RESULT, A, tools=[TOOL]),
        "x",
        "[]",
    ]
    accuracy = scores(tmp_path, *rows)["accuracy"]
    found = measures(accuracy)
    assert found["sound"].value == 6 / 7  # what is no JSON is a fault of the file, no row
    assert found["verified"].value == 1 / 6
    assert (found["agreeing"].value, lines(found["agreeing"])) == (5 / 6, [3])
    assert "line 1" in found["agreeing"].evidence[0].note
    assert (found["readable"].value, lines(found["readable"])) == (1 / 2, [5])
    assert accuracy.value == pytest.approx((6 / 7 + 1 / 6 + 5 / 6 + 1 / 2) / 4)


def test_questions_that_differ_in_a_number_do_not_contradict_each_other(tmp_path: Path) -> None:
    accuracy = scores(tmp_path, asked("What is 2 and 2?", "4"), asked("What is 3 and 3?", "6"))["accuracy"]
    assert measures(accuracy)["agreeing"].value == 1


def test_completeness_counts_labels_balance_and_edge_cases(tmp_path: Path) -> None:
    rows = [asked(f"Question {n}?", label="often") for n in range(8)]
    rows += [asked("Other?", label="rare", tags=["refusal"]), asked("Another?", label="rare", tags=["unknown"])]
    found = measures(scores(tmp_path, *rows, each=5)["completeness"])
    assert found["covered"].value == 1 / 2
    assert [one.note for one in found["covered"].evidence] == ["'rare' has 2 rows of 5"]
    assert found["balanced"].value == pytest.approx(0.7219, abs=1e-4)
    assert found["edge_cases"].value == 1 / 2
    assert [one.note for one in found["edge_cases"].evidence] == [
        "no row has the tag 'error'",
        "no row has the tag 'abusive'",
    ]


def test_a_label_that_must_be_there_and_is_not_is_a_gap(tmp_path: Path) -> None:
    dataset = check_dataset(write(tmp_path, asked("Hi?", label="a")))
    (_, completeness, *_) = assess(dataset, Targets(each=1, labels={"b": 3}))
    assert [one.note for one in measures(completeness)["covered"].evidence] == ["'b' has 0 rows of 3"]


def test_what_there_is_nothing_to_measure_of_has_no_value(tmp_path: Path) -> None:
    found = scores(tmp_path, asked("Hi?"))
    assert measures(found["completeness"])["covered"].value is None
    assert found["relevance"].value is None
    assert measures(found["accuracy"])["readable"].told == "no answer is JSON or a call"


def test_consistency_counts_system_prompts_forms_lengths_and_like_questions(tmp_path: Path) -> None:
    other = json.dumps({"messages": [{"role": "system", "content": "Be rude."}, U, A]})
    rows = [
        asked("How do I reset the password of my account?", "Open the settings and choose reset."),
        asked("How do I reset the password of my account now?", "Ask your neighbour about the weather."),
        asked("May I pay by invoice?", "- by card\n- by invoice"),
        asked("Why?", "Because of this. " * 30),
        other,
    ]
    found = measures(scores(tmp_path, *rows)["consistency"])
    assert (found["system_prompt"].value, lines(found["system_prompt"])) == (4 / 5, [5])
    assert (found["form"].value, lines(found["form"])) == (3 / 5, [3, 5])
    assert (found["length"].value, lines(found["length"])) == (3 / 5, [4, 5])
    assert (found["like_to_like"].value, lines(found["like_to_like"])) == (4 / 5, [2])


def test_the_persona_decides_which_system_prompt_is_right(tmp_path: Path) -> None:
    persona = Persona("Be rude.", ())
    found = measures(scores(tmp_path, asked("Hi?"), persona=persona)["consistency"])
    assert found["system_prompt"].value == 0


def test_relevance_is_the_nearness_to_the_nearest_text_of_the_persona(tmp_path: Path) -> None:
    def embed(texts: list[str]) -> Vectors:
        corners = {"parcel": (1.0, 0.0, 0.0), "sofa": (0.0, 1.0, 0.0)}
        rows = [next((one for word, one in corners.items() if word in text), (0.0, 0.0, 1.0)) for text in texts]
        return np.array(rows, np.float32)

    persona = Persona("Be kind.", ["all about a parcel", "all about a sofa"], embed)
    rows = [asked("My parcel?"), asked("My sofa?"), asked("The regatta at Ostend?"), asked("Another sofa?")]
    found = measures(scores(tmp_path, *rows, persona=persona)["relevance"])
    assert found["nearness"].value == pytest.approx(3 / 4)
    assert (found["in_domain"].value, lines(found["in_domain"])) == (3 / 4, [3])


def test_near_duplicates_are_found_whatever_their_case_numbers_and_points() -> None:
    texts = [
        "Where is my parcel 17?",
        "where is my PARCEL, 99",
        "Where is my parcel 17, please?",
        "Something else",
        "",
    ]
    pairs = {
        (one, other) for one, other, _ in near_duplicates([normal_form(text) for text in texts], threshold=0.6)
    }
    assert (0, 1) in pairs
    assert (0, 2) in pairs
    assert all(3 not in pair and 4 not in pair for pair in pairs)
