"""The report: everything that was found, for programs and as one page that trusts no row."""

import json
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from adapters.datasets.example import Example
from adapters.datasets.finding import Finding, Findings
from adapters.datasets.quality import Persona
from adapters.datasets.report import Check, page
from adapters.datasets.report.checking import Length
from adapters.datasets.tokens import TokenCounter
from adapters.training.config import TrainingConfig
from core.errors import InvalidRequest
from tests.adapters.datasets.rows import A, S, U, asked, pair, talk, write

SCRIPT = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """Gathers the tags, texts and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def counted(examples: Iterable[Example]) -> Iterator[Length]:
    for example in examples:
        words = len(example.prompt.split())
        yield Length(example.line, words + 2, 2)


def test_an_example_over_the_token_limit_is_a_fault_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, asked("short"), asked("one two three four"))
    checked = Check(measuring=counted, most_tokens=5).run(path, "mine")
    (fault,) = checked.dataset.faults
    assert (fault.line, fault.code) == (2, "over_token_limit")
    assert checked.sizes()["tokens"]["max"] == 6
    assert not checked.sound


def test_tokens_are_those_that_training_sees(base_dir: Path, tmp_path: Path) -> None:
    path = write(tmp_path, talk(U, A))
    (length,) = Check(measuring=TokenCounter(base_dir)).run(path, "mine").lengths
    assert length.learnt == len("Hello.") + 1  # its tokens are bytes, and the end of the turn is learnt
    assert length.total > length.learnt + len("user\nHi") + len("assistant\n")


@pytest.mark.parametrize(("preferred", "avoided"), [("b", "a" * 300), ("a" * 300, "b")])
def test_a_pair_is_as_long_as_the_longer_of_its_sides(
    base_dir: Path, tmp_path: Path, preferred: str, avoided: str
) -> None:
    path = write(tmp_path, pair([{**A, "content": preferred}], [{**A, "content": avoided}]))
    checked = Check(measuring=TokenCounter(base_dir), most_tokens=200).run(path, "mine")
    assert [(fault.line, fault.code) for fault in checked.dataset.faults] == [(1, "over_token_limit")]
    assert checked.lengths[0].learnt == 301


def test_an_example_may_be_as_long_in_a_check_as_in_a_training(base_dir: Path, tmp_path: Path) -> None:
    path = write(tmp_path, asked("a" * 700))
    assert Check(measuring=TokenCounter(base_dir)).run(path, "mine").sound
    assert Check().most_tokens == TrainingConfig().max_length


@pytest.mark.parametrize("row", [talk(U, A), pair(None, None, U)])
def test_a_row_without_the_personas_system_prompt_is_a_fault(tmp_path: Path, row: str) -> None:
    (fault,) = Check(persona=Persona("Be kind.", ())).run(write(tmp_path, row), "mine").dataset.faults
    assert (fault.line, fault.code) == (1, "system_prompt_differs")
    assert "no system message" in fault.message


def test_a_system_prompt_that_is_not_the_personas_is_a_fault(tmp_path: Path) -> None:
    path = write(tmp_path, talk(S, U, A))
    (fault,) = Check(persona=Persona("Be brief.", ())).run(path, "mine").dataset.faults
    assert (fault.line, fault.field, fault.code) == (1, "messages[0].content", "system_prompt_differs")
    assert Check(persona=Persona("Be kind.", ())).run(path, "mine").sound


def test_what_was_found_of_personal_data_is_among_the_findings(tmp_path: Path) -> None:
    def personal(path: Path) -> tuple[Findings, dict[str, object]]:
        return Findings([Finding.warning(1, "messages[1].content", "personal_data", "There.")]), {
            "email": {"found": 1}
        }

    shown = Check(personal=personal).run(write(tmp_path, talk(S, U, A)), "mine").shown()
    assert shown["counts"] == {"personal_data": 1}
    assert (shown["errors"], shown["warnings"]) == (0, 1)
    assert shown["personal_data"] == {"email": {"found": 1}}


def test_the_report_for_programs_is_json_with_scores_labels_turns_and_sizes(tmp_path: Path) -> None:
    rows = [asked("One?", label="a"), asked("Two?", label="a"), asked("Three?", label="b"), talk(S, U, A, U, A)]
    shown = Check().run(write(tmp_path, *rows), "mine").shown()
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert shown["labels"] == {"a": 2, "b": 1}
    assert shown["turns"] == {"1": 3, "2": 1}
    assert [one["dimension"] for one in shown["scores"]] == [  # type: ignore[attr-defined]
        "accuracy",
        "completeness",
        "consistency",
        "relevance",
    ]
    assert shown["sizes"]["messages"] == {  # type: ignore[index]
        "min": 3,
        "max": 5,
        "mean": 3.5,
        "median": 3.0,
        "p5": 3.0,
        "p95": 4.7,
    }


def test_the_page_has_plots_and_findings_and_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    rows = [asked("One two three?", label="a"), asked("Two?", label="b"), talk(S, U, A, U, A), "x"]
    found = Tags(page(Check(measuring=counted).run(write(tmp_path, *rows), "mine")))
    assert found.tags.count("svg") == 4
    assert {"script", "img", "link", "iframe"}.isdisjoint(found.tags)
    assert found.addresses == []
    assert "Write one JSON object on one line" in found.text


def test_whatever_stands_in_a_row_is_text_on_the_page(tmp_path: Path) -> None:
    rows = [
        asked("One?", label=SCRIPT),
        asked("Two?", label='"><svg onload=x>'),
        json.dumps({SCRIPT: 1, "messages": []}),
    ]
    written = page(Check().run(write(tmp_path, *rows), SCRIPT))
    assert "<script" not in written
    assert "<svg onload" not in written
    assert SCRIPT in Tags(written).text


@pytest.mark.parametrize("rows", [[], ["x"], [talk(S, U, A)]])
def test_a_page_is_made_of_any_set_however_small(tmp_path: Path, rows: list[str]) -> None:
    assert "<h2>Quality</h2>" in page(Check().run(write(tmp_path, *rows), "mine"))


def test_a_set_of_very_many_labels_is_plotted_with_the_largest(tmp_path: Path) -> None:
    rows = [asked(f"Question {n}?", label=f"label {n} \x07{'x' * 50}") for n in range(200)]
    assert page(Check().run(write(tmp_path, *rows), "mine")).count("<svg") == 3


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Check().run(tmp_path / "absent.jsonl", "absent")
    assert refusal.value.code == "dataset_missing"
