"""Adapter commands that work on the data directory, with a tiny real base and a real adapter."""

import json
from pathlib import Path

import pytest

from tests.adapters.tiny import make_adapter, make_base
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_base(tmp_path / "models" / "base")
    monkeypatch.setenv("REPERTORY_MODELS_DIR", str(tmp_path / "models"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "adapter")


def test_an_imported_adapter_is_listed_and_shown(run: Run, folder: Path) -> None:
    imported = run("adapter", "import", str(folder), "--name", "coach")
    assert imported.code == 0, imported.err
    assert imported.out.startswith("Imported coach@1. `repertory adapter use coach 1`")
    assert "coach@1" in run("adapter", "list").out
    shown = json.loads(run("adapter", "show", "coach", "--json").out)
    assert [one["state"] for one in shown["versions"]] == ["trained"]
    assert [one["by"] for one in shown["history"]] == ["command line"]


def test_a_folder_that_is_no_adapter_is_refused_in_one_sentence(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    outcome = run("adapter", "import", str(empty), "--name", "coach")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: ")
    assert outcome.err.count("\n") == 1
    assert json.loads(run("adapter", "list", "--json").out) == []


def test_an_unknown_adapter_is_one_sentence_and_exit_code_1(run: Run) -> None:
    outcome = run("adapter", "show", "nobody")
    assert outcome.code == 1
    assert outcome.err == "Error: No adapter is named 'nobody'. `repertory adapter list` shows them. (not_found)\n"


def test_a_training_above_the_servable_rank_is_refused_before_it_starts(run: Run, tmp_path: Path) -> None:
    dataset = tmp_path / "train.jsonl"
    dataset.write_text("")
    outcome = run("adapter", "train", str(dataset), "--name", "coach", "--rank", "64")
    assert outcome.code == 1
    assert "Rank 64 is over the 16" in outcome.err


def test_a_version_is_exported_and_taken_in_under_another_name(run: Run, folder: Path, tmp_path: Path) -> None:
    run("adapter", "import", str(folder), "--name", "coach")
    archive = str(tmp_path / "coach.tar")
    assert run("adapter", "export", "coach@latest", archive).out == f"Wrote coach@1 to {archive}.\n"
    assert run("adapter", "export", "coach@1", archive).code == 2  # nothing is overwritten
    assert run("adapter", "import", archive, "--name", "mentor").out.startswith("Imported mentor@1.")
    assert run("adapter", "import", archive).out.startswith("Imported coach@1.")
    assert run("adapter", "import", str(folder)).code == 2


@pytest.mark.parametrize("number", ["9" * 20, "-1"])
def test_a_number_that_no_version_has_is_one_sentence(run: Run, folder: Path, tmp_path: Path, number: str) -> None:
    run("adapter", "import", str(folder), "--name", "coach")
    for command in (
        ("show", "coach", "--", number),
        ("export", f"coach@{number}", str(tmp_path / "coach.tar")),
        ("alias", "coach", "gold", "--", number.lstrip("-") + "0"),
    ):
        outcome = run("adapter", *command)
        assert (outcome.code, outcome.err.count("\n")) == (1, 1)
        assert "adapter_version_not_found" in outcome.err


def test_a_card_is_shown_with_what_was_said_of_it(run: Run, folder: Path) -> None:
    run("adapter", "import", str(folder), "--name", "coach")
    shown = run("adapter", "card", "coach@1", "--intended-use", "for coaches", "--review-on", "2027-01-31")
    assert shown.code == 0, shown.err
    assert "for coaches" in shown.out
    assert json.loads(run("adapter", "card", "coach@1", "--json").out)["review_on"] == "2027-01-31"


def test_an_alias_is_given_shown_and_taken_away(run: Run, folder: Path) -> None:
    run("adapter", "import", str(folder), "--name", "coach")
    assert json.loads(run("adapter", "alias", "coach", "gold", "1", "--json").out) == {"gold": 1, "latest": 1}
    assert "for coaches" not in run("adapter", "card", "coach@gold").out
    assert json.loads(run("adapter", "alias", "coach", "gold", "--json").out) == {"latest": 1}
