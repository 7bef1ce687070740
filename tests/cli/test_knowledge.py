"""`repertory knowledge add`, `remove` and `status` against a real server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.principal import Scope
from tests.cli.conftest import Outcome
from tests.server.conftest import Gateway, Start, engine, start
from tests.server.serving import serving

__all__ = ["engine", "start"]


@pytest.fixture
def server(start: Start) -> Iterator[Gateway]:
    with serving(start()) as gateway:
        yield gateway


def repertory(server: Gateway, *arguments: str) -> Outcome:
    """Run `repertory knowledge …` as an administrator, in a process of its own as people do."""
    key = server.secret("admin", Scope.ADMIN)
    done = subprocess.run(
        [sys.executable, "-c", "from server.cli import app; app()", "--url", server.base, "knowledge", *arguments],
        env={**os.environ, "REPERTORY_API_KEY": key, "COLUMNS": "200"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_files_are_added_found_and_removed(server: Gateway, tmp_path: Path) -> None:
    cat, program = tmp_path / "cat.txt", tmp_path / "program.exe"
    cat.write_text("The cat sleeps at noon.")
    program.write_bytes(b"MZ")
    added = repertory(server, "add", "Animals", str(cat), str(program))

    assert added.code == 1
    assert "Reading into vs_" in added.out
    assert f"{program}: Only " in added.err
    assert "Animals" in repertory(server, "list").out
    store = added.out.split("Reading into ")[1].split()[0]
    assert "sleeps at noon" in repertory(server, "search", "cat", "--store", store).out
    shown = repertory(server, "search", "cat", "--store", "Animals").out
    assert shown.startswith("[1] cat\n")  # no heading stands above it
    assert "sleeps at noon" in shown
    assert "No store 'Plants'" in repertory(server, "search", "cat", "--store", "Plants").err
    assert repertory(server, "remove", "Animals", "cat.txt", "--delete").code == 0
    assert "Nothing was found" in repertory(server, "search", "cat", "--store", store).out
    assert repertory(server, "remove", "Animals", "cat.txt").code == 1
    assert repertory(server, "add", "Animals", str(cat), "--no-wait").code == 0


def test_a_store_is_shared_and_unshared_by_its_name(server: Gateway) -> None:
    assert "no vector store 'Rules'" in repertory(server, "share", "Rules", "everyone").err
    key = {"authorization": f"Bearer {server.secret('admin', Scope.ADMIN)}"}
    httpx.post(f"{server.base}/v1/vector_stores", json={"name": "Rules"}, headers=key).raise_for_status()

    assert "by its owner, key:ada." in repertory(server, "share", "Rules", "key:ada").out
    assert "by its owner, everyone, key:ada." in repertory(server, "share", "Rules", "everyone").out
    assert repertory(server, "share", "Rules", "someone").code == 1
    assert "by its owner, everyone." in repertory(server, "unshare", "Rules", "key:ada").out
    assert "by its owner, everyone." in repertory(server, "shares", "Rules").out


def test_status_names_the_files_of_folders_that_could_not_be_read(server: Gateway) -> None:
    assert "Every file was read whole" in repertory(server, "status").out
    folder = server.personas_dir.parent / "knowledge" / "library"
    (folder / "program.exe").write_bytes(b"MZ")
    server.services.knowledge.sync("knowledge/library", folder)
    assert "program.exe" in repertory(server, "status").out
