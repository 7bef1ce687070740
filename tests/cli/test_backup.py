"""`repertory backup` and `repertory restore`, as a person runs them."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
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
    connection = sqlite3.connect(data_dir / "repertory.db")
    connection.execute("CREATE TABLE bulk (x)")
    connection.execute("INSERT INTO bulk VALUES (randomblob(15000000))")
    connection.commit()
    connection.close()
    folder = tmp_path / "backups"
    folder.mkdir()
    command = [sys.executable, "-c", "from server.cli import app; app()", "backup", str(folder / "b.tar.gz")]
    process = subprocess.Popen(command, env=os.environ | {"REPERTORY_DATA_DIR": str(data_dir)})
    deadline = time.monotonic() + 90
    while not any(part.stat().st_size for part in folder.glob(".*/part")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "b.tar.gz").exists()
    assert run("backup", str(folder / "b.tar.gz")).code == 0
