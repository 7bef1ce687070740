"""The index file is a cache: whatever happens to it, the answers stay those of the database."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.database import Database
from retrieval import Knowledge
from retrieval.vector_index import FLAT_LIMIT, VectorIndex
from tests.fakes.embedder import WordEmbedder


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

    after = Knowledge(database, WordEmbedder(), index_dir).search(["support"], "boots in a sale", floor=0.0)

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

    found = Knowledge(database, WordEmbedder(), index_dir).search(["support"], "never blame the customer")

    assert found.passages
    assert path.stat().st_mtime_ns == written


def test_large_index_keeps_eight_bits_and_still_finds_the_nearest() -> None:
    random = np.random.default_rng(7)
    vectors = random.standard_normal((FLAT_LIMIT + 1, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.arange(len(vectors), dtype=np.int64) + 1000

    index = VectorIndex.build(rows, vectors)

    assert len(index.to_bytes()) < vectors.nbytes * 0.8
    assert [index.search(vectors[n], 1)[0] for n in (0, 777, 50_000)] == [1000, 1777, 51_000]
