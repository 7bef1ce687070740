"""The database is locked by another program, or the disk is full: refused in words, nothing lost, it passes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from core.ids import ConversationId, PersonaId, PrincipalId
from tests.engine.server import ROOT
from tests.faults.full_disk import kinds
from tests.faults.world import body
from tests.server.conftest import Gateway

_HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the write lock from another process."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.kill()


@pytest.mark.anyio
async def test_while_another_program_locks_the_database_changes_are_503_and_personas_answer(
    gateway: Gateway,
) -> None:
    approval = gateway.services.approvals.request(
        PrincipalId("anonymous"), PersonaId("plain"), ConversationId("c"), "create", {}, "POST /"
    )
    address, decision = f"/api/approvals/{approval.id}", {"decision": "approve"}
    async with gateway.admin() as http:
        with _locked(gateway.services.settings.data_dir / "repertory.db"):
            answers = {}

            async def change() -> None:
                answers["change"] = await http.post(address, json=decision)

            async with anyio.create_task_group() as group:
                group.start_soon(change)
                for model in ("plain", "librarian"):
                    response = await http.post("/v1/chat/completions", json=body(model))
                    assert response.status_code == 200, response.text
                assert "change" not in answers  # the answers did not wait for the lock
        refused = answers["change"]
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_locked")
        assert int(refused.headers["retry-after"]) > 0
        again = await http.post(address, json=decision)
    assert again.status_code == 200, again.text


@pytest.mark.parametrize("kind", kinds())
def test_a_full_disk_refuses_in_words_and_loses_nothing(tmp_path: Path, kind: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.full_disk", kind, str(disk)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "before": ["done", "done"],
        "full": ["disk_full", "disk_full"],
        "kept while full": [1, 1],
        "after": ["done", "done"],
        "kept": [2, [1, 2]],
        "left behind": [],
    }
