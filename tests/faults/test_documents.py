"""Uploads on a full disk, and indexes of uploads that are damaged or gone: refused in words, found as before."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.database import Database
from server.migrations import migrate
from tests.engine.server import ROOT
from tests.faults.document_stories import content_of
from tests.faults.full_disk import kinds
from tests.faults.house import House

QUESTION = "What does rule1 of notes say?"


def test_a_full_disk_refuses_uploads_in_words_and_files_that_wait_are_read_once_there_is_room(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.full_disk_uploads", kinds()[-1], str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    refused = [503, "disk_full", True]
    assert json.loads(done.stdout) == {
        "full from the first vectors on": ["disk_full"],
        "upload": refused,
        "small upload": refused,
        "attach": refused,
        "ingest": ["disk_full"],
        "found while full": ["notes.md"],
        "bytes while full": True,
        "left behind": [],
        "blobs": 2,
        "after": [200, None, False],
        "completed": ["completed", "completed"],
        "found": ["notes.md", "plans.txt"],
        "stores": ["desk"],
        "files": ["large.bin", "notes.md", "plans.txt"],
    }


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with two stores, whose indexes are written."""
    base = tmp_path_factory.mktemp("filled") / "data"
    (base / "personas").mkdir(parents=True)
    database = Database(base / "repertory.db")
    migrate(database)
    database.close()
    house = House(base)

    async def fill() -> None:
        async with house.client() as client:
            for name in ("notes.md", "plans.txt"):
                file = await client.uploaded(name, content_of(name))
                await client.ask("POST", "/vector_stores", name=name, file_ids=[file])

    asyncio.run(fill())
    house.work()
    _found(house)
    house.knowledge.settle()
    house.close()
    return base


def _found(house: House) -> dict[str, list[tuple[str, str, float]]]:
    async def ask() -> dict[str, list[tuple[str, str, float]]]:
        async with house.client() as client:
            stores = await client.every("/vector_stores")
            return {one["name"]: await client.search(one["id"], QUESTION) for one in stores}

    return asyncio.run(ask())


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _swap(path: Path) -> None:
    shutil.copy(path.with_name("-2.faiss"), path)


def _interrupt(path: Path) -> None:
    """Leave what a process leaves that is killed while it writes."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path.rename(path.with_name(f"-1.faiss.{dead.pid}.tmp"))
    _halve(path.with_name(f"-1.faiss.{dead.pid}.tmp"))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.unlink(), id="it is missing"),
        pytest.param(lambda path: path.write_bytes(b""), id="it is empty"),
        pytest.param(lambda path: shutil.rmtree(path.parent), id="its folder is missing"),
        pytest.param(_flip, id="a bit is flipped"),
        pytest.param(_halve, id="half of it is missing"),
        pytest.param(_swap, id="it is another store's"),
        pytest.param(_interrupt, id="its writer was killed half-way"),
    ],
)
def test_a_damaged_index_of_uploads_is_built_again_and_answers_as_before(
    filled: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    base = tmp_path / "data"
    shutil.copytree(filled, base)
    index = base / "indexes" / "-1.faiss"
    whole = index.read_bytes()
    untouched = House(base)
    expected = _found(untouched)
    untouched.close()
    assert [bool(hits) for hits in expected.values()] == [True, True]

    damage(index)
    house = House(base)

    assert _found(house) == expected
    house.knowledge.settle()
    house.close()
    assert index.read_bytes() == whole
    assert list(index.parent.glob("*.tmp")) == []


def _largest(folder: Path) -> Path:
    return max(folder.iterdir(), key=lambda path: path.stat().st_size)


def _swap_words(folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("-2.words"), folder)


def _interrupt_words(folder: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder.rename(folder.with_name(f"-1.words.{dead.pid}.tmp"))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(shutil.rmtree, id="they are missing"),
        pytest.param(lambda folder: _largest(folder).unlink(), id="a file is missing"),
        pytest.param(lambda folder: _flip(_largest(folder)), id="a bit is flipped"),
        pytest.param(lambda folder: _halve(_largest(folder)), id="half of a file is missing"),
        pytest.param(_swap_words, id="they are another store's"),
        pytest.param(_interrupt_words, id="their writer was killed half-way"),
    ],
)
def test_damaged_words_of_uploads_are_made_again_and_answer_as_before(
    filled: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    base = tmp_path / "data"
    shutil.copytree(filled, base)
    words = base / "indexes" / "-1.words"
    untouched = House(base)
    expected = _found(untouched)
    untouched.close()

    damage(words)
    house = House(base)

    assert _found(house) == expected
    house.close()
    assert sorted(path.suffix for path in words.iterdir()) == sorted(
        path.suffix for path in (filled / "indexes" / "-1.words").iterdir()
    )
    assert list(words.parent.glob("*.tmp")) == []
