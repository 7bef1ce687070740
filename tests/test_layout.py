"""The checkout is laid out as the README says, and what is imported comes from it."""

import importlib
import os
import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from server.cli import app
from server.settings import ROOT
from tests import settings_table

README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("server", "retrieval", "adapters", "actions", "core", "integrations")
FOLDERS = ("server", "retrieval", "adapters", "actions", "tests", "knowledge")
MADE_HERE = {"models", "data"}
MADE_AT_TOP = {*MADE_HERE, ".git", ".venv", ".venv-clients", "build", "htmlcov", "logs"}
CACHES = {"__pycache__", ".hypothesis"}
_COMMAND = re.compile(r"(?:bin/|`)repertory ([a-z]+)(?: ([a-z]+))?")
_TARGET = re.compile(r"(?:`|\$ )make ([a-z]+)")
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)")


def sources() -> list[Path]:
    """Return the files of the checkout, without what tools and the server make."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        at_top = Path(folder) == ROOT
        folders[:] = [name for name in folders if not _made(name, at_top=at_top)]
        found += [Path(folder) / name for name in names if not name.startswith(".coverage")]
    return sorted(found)


def _made(name: str, *, at_top: bool) -> bool:
    return name in CACHES or name.endswith(("_cache", ".egg-info")) or (at_top and name in MADE_AT_TOP)


def documents() -> list[tuple[Path, str]]:
    """Return the pages for people, with their text."""
    pages = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
    return [(page, page.read_text(encoding="utf-8")) for page in pages]


def tree() -> dict[str, str]:
    """Return folder → what the README's tree says of it."""
    block = README.partition("## The tree")[2].split("```")[1]
    lines = [line.split("/", 1) for line in block.strip().splitlines()]
    return {name.strip(): meaning.strip() for name, meaning in lines}


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_comes_from_the_checkout(name: str) -> None:
    # The package index has an unrelated package that imports as `adapters`.
    origin = importlib.import_module(name).__file__
    assert origin is not None
    assert Path(origin).parent == ROOT / name


def test_the_folders_of_the_plan_stay_at_the_top() -> None:
    folders = {path.relative_to(ROOT).parts[0] for path in sources()}
    assert set(FOLDERS) <= folders


def test_the_tree_of_the_readme_names_every_folder_in_one_line_and_no_other() -> None:
    parts = [path.relative_to(ROOT).parts for path in sources()]
    folders = {part[0] for part in parts if len(part) > 1 and not part[0].startswith(".")}
    assert set(tree()) - MADE_HERE == folders
    assert all(tree().values())


def test_the_table_of_settings_is_that_of_the_code() -> None:
    assert settings_table.written(README) == settings_table.rows(), "run `python -m tests.settings_table`"


def test_the_table_of_settings_is_written_between_its_marks_alone() -> None:
    text = f"before\n{settings_table.BEGIN}\nwhat stood here\n{settings_table.END}\nafter\n"
    written = settings_table.rewritten(text)
    assert settings_table.written(written) == settings_table.rows()
    assert written.startswith("before\n")
    assert written.endswith(f"{settings_table.END}\nafter\n")
    assert "what stood here" not in written


def test_links_in_the_documents_lead_to_files() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page, text in documents()
        for target in _LINK.findall(text)
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_commands_in_the_documents_exist() -> None:
    known = typer.main.get_command(app)
    assert isinstance(known, TyperGroup)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    found, wrong = 0, []
    for page, text in documents():
        for first, second in _COMMAND.findall(text):
            command = known.commands.get(first)
            subcommands = command.commands if isinstance(command, TyperGroup) else {second: command}
            if command is None or (second and second not in subcommands):
                wrong.append(f"{page.name}: repertory {first} {second}")
            found += 1
        wrong += [f"{page.name}: make {target}" for target in _TARGET.findall(text) if target not in targets]
    assert wrong == []
    assert found > 20


def test_no_file_names_a_package_registry() -> None:
    # Written in parts, so that this file holds none of them. Mirrors are set up outside of the checkout.
    hosts = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"),
            ("files", "pythonhosted", "org"),
            ("registry", "npmjs", "org"),
            ("registry", "yarnpkg", "com"),
            ("deb", "debian", "org"),
            ("archive", "ubuntu", "com"),
        )
    ]
    forbidden = re.compile("|".join(re.escape(host) for host in hosts).encode(), re.IGNORECASE)
    named = [path.relative_to(ROOT).as_posix() for path in sources() if forbidden.search(path.read_bytes())]
    assert named == []
