"""The command line as a whole."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from server.settings import ROOT
from tests.cli.conftest import Run

HEAVY = ("httpx", "pydantic", "sqlalchemy", "fastapi", "torch", "vllm", "transformers", "faiss", "numpy")


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom server.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    for command in ("serve", "chat", "persona", "knowledge", "adapter", "approval", "key", "doctor"):
        assert command in done.stdout


@pytest.mark.parametrize("group", ["persona", "knowledge", "adapter", "action", "approval", "key"])
def test_every_command_says_what_it_does(run: Run, group: str) -> None:
    shown = run(group, "--help")
    assert shown.code == 0
    assert "Commands" in shown.out


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    assert run("dance").code == 2


def test_a_bad_setting_is_named_in_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPERTORY_PORT", "eighty")
    outcome = run("persona", "list")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: REPERTORY_PORT cannot be used: ")


def test_a_data_directory_that_cannot_be_made_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REPERTORY_DATA_DIR", str(tmp_path / "file" / "data"))
    outcome = run("key", "list")
    assert outcome.code == 1
    assert "cannot be made" in outcome.err


def test_persona_check_names_file_line_and_field_and_fails(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("id: bad\nname: Bad\ninstructions: Be brief.\ncolour: red\n")
    outcome = run("persona", "check", str(tmp_path))
    assert outcome.code == 1
    assert outcome.err.startswith("bad.yaml:4: colour: unknown field")
    problems = json.loads(run("persona", "check", str(tmp_path), "--json").out)["problems"]
    assert [(one["file"], one["line"], one["field"]) for one in problems] == [("bad.yaml", 4, "colour")]


def test_persona_check_says_when_all_is_good(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("id: good\nname: Good\ninstructions: Be brief.\n")
    assert run("persona", "check", str(tmp_path / "good.yaml")).out == "All good: good.\n"


def test_persona_schema_is_a_json_schema_that_knows_the_fields(run: Run) -> None:
    schema = json.loads(run("persona", "schema").out)
    assert schema["$schema"].endswith("2020-12/schema")
    assert {"id", "name", "instructions", "knowledge", "actions"} <= set(schema["properties"])


def test_the_version_is_the_one_of_the_project(run: Run) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run("--version").out == f"repertory {project['version']}\n"


def test_persona_schema_can_be_read_by_people(run: Run) -> None:
    assert "| `instructions` | string | required |" in run("persona", "schema", "--markdown").out
