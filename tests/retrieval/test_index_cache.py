"""The index file is a cache: whatever happens to it, the answers stay those of the database."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.database import Database
from retrieval import Knowledge
from retrieval.vector_index import VectorIndex
from tests.fakes.embedder import WordEmbedder

_REPOSITORY = Path(__file__).resolve().parents[2]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40] ^= 0xFF
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_flip, _truncate, _empty, Path.unlink])
def test_damaged_index_is_built_again_from_the_database(
    knowledge: Knowledge,
    folder: Path,
    database: Database,
    index_dir: Path,
    damage: Callable[[Path], None],
) -> None:
    knowledge.sync("support", folder)
    [path] = index_dir.iterdir()
    sound = path.read_bytes()
    before = knowledge.search(["support"], "boots in a sale", floor=0.0)
    damage(path)

    again = Knowledge(database, WordEmbedder(), index_dir)
    after = again.search(["support"], "boots in a sale", floor=0.0)
    again.settle()

    assert after == before
    assert path.read_bytes() == sound


def test_index_of_an_older_generation_is_not_used(
    knowledge: Knowledge, folder: Path, database: Database, index_dir: Path
) -> None:
    knowledge.sync("support", folder)
    [path] = index_dir.iterdir()
    old = path.read_bytes()
    (folder / "kettles.txt").write_text("Kettles boil.")
    knowledge.sync("support", folder)
    path.write_bytes(old)

    found = Knowledge(database, WordEmbedder(), index_dir).search(["support"], "kettles boil")

    assert found.passages[0].path == "kettles.txt"


def test_sound_index_is_read_and_not_written_again(
    knowledge: Knowledge, folder: Path, database: Database, index_dir: Path
) -> None:
    knowledge.sync("support", folder)
    [path] = index_dir.iterdir()
    written = path.stat().st_mtime_ns

    again = Knowledge(database, WordEmbedder(), index_dir)
    found = again.search(["support"], "never blame the customer")
    again.settle()

    assert found.passages
    assert path.stat().st_mtime_ns == written


_KILLED_BEFORE_RENAME = """
import os, signal, sys
from pathlib import Path
from core.database import Database
from retrieval import Knowledge
from tests.fakes.embedder import WordEmbedder

def die(event, arguments):
    if event == "os.rename" and str(arguments[0]).endswith(".tmp"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
base = Path(sys.argv[1])
knowledge = Knowledge(Database(base / "repertory.db"), WordEmbedder(), base / "indexes")
knowledge.sync("support", base / "knowledge")
"""


def test_kill_between_writing_and_renaming_leaves_the_old_file_and_right_answers(
    knowledge: Knowledge, folder: Path, database: Database, index_dir: Path, tmp_path: Path
) -> None:
    knowledge.sync("support", folder)
    [path] = index_dir.iterdir()
    old = path.read_bytes()
    (folder / "kettles.txt").write_text("Kettles boil.")

    ended = subprocess.run([sys.executable, "-c", _KILLED_BEFORE_RENAME, str(tmp_path)], cwd=_REPOSITORY)

    assert ended.returncode == -signal.SIGKILL
    [beside] = index_dir.glob("*.tmp")
    assert beside.stat().st_size > len(old)
    assert path.read_bytes() == old
    again = Knowledge(database, WordEmbedder(), index_dir)
    found = again.search(["support"], "kettles boil")
    again.settle()
    assert found.passages[0].path == "kettles.txt"
    assert list(index_dir.iterdir()) == [path]


def test_kill_between_renaming_and_recording_builds_the_index_again(
    knowledge: Knowledge, folder: Path, database: Database, index_dir: Path
) -> None:
    knowledge.sync("support", folder)
    [path] = index_dir.iterdir()
    other = VectorIndex.exact(np.array([1, 2], np.int64), np.eye(2, 96, dtype=np.float32))
    other.write(path)

    found = Knowledge(database, WordEmbedder(), index_dir).search(["support"], "never blame the customer")

    assert found.passages[0].path == "tone.txt"


def test_status_tells_the_kind_of_index_and_what_it_finds(knowledge: Knowledge, folder: Path) -> None:
    knowledge.sync("support", folder)

    [status] = knowledge.stores()

    assert (status.index_kind, status.index_recall) == ("flat", 1.0)
