"""Data sets on the command line, from a file to parts that a training takes."""

import json
from pathlib import Path

import pytest

from server.settings import ROOT
from tests.adapters.datasets.rows import A, S, U, asked, talk, write
from tests.adapters.tiny import make_base
from tests.cli.conftest import Run

DEMO = ROOT / "examples" / "datasets" / "support-agent" / "valid.jsonl"
THINGS = ("parcel", "sofa", "invoice", "password", "voucher", "hinge", "cellar", "lamp", "refund", "carpenter")
VERBS = ("lost", "broken", "late", "wet", "stolen", "scratched")


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_base(tmp_path / "models" / "base")
    (tmp_path / "models" / "embedding").symlink_to(ROOT / "models" / "embedding")
    monkeypatch.setenv("REPERTORY_MODELS_DIR", str(tmp_path / "models"))


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    rows = [
        asked(f"{thing} {number} {verb} {thing[::-1]} {verb[::-1]}", f"Sorry for the {thing}.", intent=verb)
        for number, thing in enumerate(THINGS)
        for verb in VERBS
    ]
    return write(tmp_path, *rows, name="talks.jsonl")


def test_a_file_is_imported_shown_split_and_handed_to_a_training(run: Run, talks: Path, tmp_path: Path) -> None:
    imported = run("dataset", "import", str(talks), "--name", "talks", "--label", "intent")
    assert imported.out == "Imported talks@1, 60 rows. `repertory dataset split talks@1` parts it.\n", imported.err
    split = run("dataset", "split", "talks", "--seed", "3", "--out", str(tmp_path / "parts"), "--json")
    parts = {part["part"]: part for part in json.loads(split.out)["parts"]}
    assert sum(part["rows"] for part in parts.values()) == 60
    written = {path.name for path in (tmp_path / "parts").iterdir()}
    assert written == {"train.jsonl", "valid.jsonl", "test.jsonl"}
    (shown,) = json.loads(run("dataset", "show", "talks", "--json").out)
    assert (shown["label_key"], shown["format"], shown["by"]) == ("intent", "chat", "command line")
    assert f"train {parts['train']['rows']}, valid" in run("dataset", "show").out
    assert run("dataset", "list").out == run("dataset", "show").out
    trained = run("adapter", "train", "talks@1/train", "--valid", "talks@1/nothing", "--name", "coach")
    assert "talks@1 has no part 'nothing'" in trained.err
    again = run("adapter", "train", "talks@1/train", "--valid", "talks@1/valid", "--name", "coach", "--rank", "64")
    assert "Rank 64 is over the 16" in again.err  # the parts were found; it ends at the next check


def test_the_same_bytes_with_another_label_are_told_and_split_by_it(run: Run, talks: Path) -> None:
    run("dataset", "import", str(talks), "--name", "talks")
    first = json.loads(run("dataset", "split", "talks", "--json").out)["parts"]
    again = run("dataset", "import", str(talks), "--name", "talks", "--label", "intent")
    assert again.out == (
        "These are the bytes of talks@1, 60 rows. Its label is 'intent' now, not 'label'. "
        "`repertory dataset split talks@1` parts it.\n"
    )
    second = json.loads(run("dataset", "split", "talks", "--json").out)["parts"]
    assert {part["split"] for part in first}.isdisjoint(part["split"] for part in second)
    checked = json.loads(run("dataset", "check", "talks", "--no-tokens", "--json").out)
    assert checked["labels"] == dict.fromkeys(VERBS, 10)
    third = run("dataset", "import", str(talks), "--name", "talks", "--label", "intent")
    assert third.out.startswith("These are the bytes of talks@1, 60 rows. `repertory")


def test_a_check_tells_findings_with_their_mend_and_the_four_dimensions(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, talk(S, U, A), talk(U, {**A, "content": " "}), talk(S, U, A, U, A))
    outcome = run("dataset", "check", str(path), "--no-tokens")
    assert outcome.code == 1
    assert "line 2 messages[1].content" in outcome.out
    assert "Write a text, or take the message out." in outcome.out
    for dimension in ("accuracy", "completeness", "consistency", "relevance"):
        assert dimension in outcome.out


def test_a_check_counts_the_tokens_of_the_base(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, talk(S, U, A), asked("a" * 300))
    outcome = run("dataset", "check", str(path), "--max-tokens", "200", "--json")
    report = json.loads(outcome.out)
    assert [(one["line"], one["code"]) for one in report["findings"] if one["severity"] == "error"] == [
        (2, "over_token_limit")
    ]
    assert report["sizes"]["tokens"]["max"] > 300
    assert report["personal_data"]["email"] == {"found": 0, "decision": "allow"}


def test_a_check_compares_with_the_persona_and_writes_a_page(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    arguments = ("--no-tokens", "--persona", "support-agent", "--html", str(page), "--json")
    report = json.loads(run("dataset", "check", str(DEMO), *arguments).out)
    assert report["errors"] == 0  # the demo's data has the very prompt that the persona is served with
    (relevance,) = [one for one in report["scores"] if one["dimension"] == "relevance"]
    assert 0 < relevance["score"] <= 1
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_personal_data_stops_an_import_until_it_is_masked(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, asked("I am jo@example.com, help me."))
    refused = run("dataset", "import", str(path), "--name", "talks")
    assert refused.code == 1
    assert "personal_data" in refused.err
    assert "jo@example.com" not in refused.err
    masked = run("dataset", "import", str(path), "--name", "talks", "--pii", "mask", "--json")
    assert json.loads(masked.out)["personal_data"]["email"] == {"found": 1, "decision": "mask"}
    assert run("dataset", "check", "talks@1", "--no-tokens").code == 0


def test_parts_that_cannot_be_written_and_names_that_no_disk_takes_are_told_in_one_sentence(
    run: Run, talks: Path, tmp_path: Path
) -> None:
    assert run("dataset", "import", str(talks), "--name", "talks").code == 0
    outcome = run("dataset", "split", "talks", "--out", str(talks / "parts"))
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "cannot be written" in outcome.err
    for command in (("dataset", "check"), ("adapter", "preview")):
        outcome = run(*command, "x" * 300)
        assert (outcome.code, outcome.err.count("\n")) == (1, 1)
        assert "dataset_name_invalid" in outcome.err


def test_what_names_no_data_set_is_one_sentence(run: Run) -> None:
    outcome = run("dataset", "check", "nothing")
    assert outcome.code == 1
    assert outcome.err == (
        "Error: There is no data set 'nothing'. `repertory dataset show` lists them. (dataset_not_found)\n"
    )
    assert run("dataset", "show").out.startswith("There are no data sets yet.")
