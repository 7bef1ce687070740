"""`repertory backup` and `repertory restore`, as a person runs them."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import Run


def test_what_was_backed_up_is_there_after_the_restore(run: Run, data_dir: Path, tmp_path: Path) -> None:
    run("key", "create", "bot")
    (data_dir / "admin.key").write_text("rep-secret\n")
    archive = tmp_path / "b.tar.gz"
    taken = run("backup", str(archive))
    assert taken.code == 0, taken.err
    assert "admin.key" in taken.out
    assert archive.stat().st_mode & 0o077 == 0
    run("key", "create", "later")
    refused = run("restore", str(archive))
    assert refused.code == 1
    assert "--replace" in refused.err
    restored = run("restore", str(archive), "--replace")
    assert restored.code == 0, restored.err
    assert ".before-restore-" in restored.out
    names = run("key", "list").out
    assert "bot" in names
    assert "later" not in names


def test_without_a_data_directory_there_is_nothing_to_back_up(run: Run, data_dir: Path, tmp_path: Path) -> None:
    outcome = run("backup", str(tmp_path / "b.tar.gz"))
    assert outcome.code == 1
    assert "REPERTORY_DATA_DIR" in outcome.err
    assert not data_dir.exists()


def test_a_killed_backup_leaves_nothing_under_its_name(run: Run, data_dir: Path, tmp_path: Path) -> None:
    run("key", "create", "bot")
    with closing(sqlite3.connect(data_dir / "repertory.db")) as connection, connection:
        connection.execute("CREATE TABLE bulk (x)")
        connection.execute("INSERT INTO bulk VALUES (randomblob(12000000))")
    folder = tmp_path / "backups"
    folder.mkdir()
    # On a busy machine one may be done before it is seen; that one is whole, and the next is tried.
    killed = next(
        path for path in (folder / f"{number}.tar.gz" for number in range(5)) if kill_half_way(path, data_dir)
    )
    assert not killed.exists()
    with closing(sqlite3.connect(data_dir / "repertory.db")) as connection, connection:
        connection.execute("DROP TABLE bulk")
    assert run("backup", str(killed)).code == 0


def kill_half_way(target: Path, data_dir: Path) -> bool:
    """Kill a backup that has begun to write; False if it was done before."""
    command = [sys.executable, "-c", "from server.cli import app; app()", "backup", str(target)]
    environment = os.environ | {"REPERTORY_DATA_DIR": str(data_dir)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and not has_begun(target.parent):
        time.sleep(0.002)
    process.kill()
    return process.wait() == -signal.SIGKILL


def has_begun(folder: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):  # it is done meanwhile
        return any(part.stat().st_size for part in folder.glob(".*/part"))
    return False
