"""A store that grows past the size of an exact scan: a graph is built beside it and serves only if it is good."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.database import Database
from retrieval import shelf
from retrieval.index_cache import IndexCache, IndexSizes
from retrieval.records import Vectors
from retrieval.shelf import NewDocument, Store
from retrieval.splitting import Piece

_DIMENSIONS = 24
_EMBEDDER = "cloud/1"
_WALKED = IndexSizes(exact=1000, least_recall=0.9)


class _Growing:
    """A store whose documents have sixty passages each, with vectors of our choice."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._chance = np.random.default_rng(11)
        self._centres = self._chance.standard_normal((12, _DIMENSIONS))
        with database.write() as connection:
            shelf.create_store(connection, "big", "", _EMBEDDER, _DIMENSIONS)

    @property
    def row(self) -> Store:
        with self._database.read() as connection:
            store = shelf.find_store(connection, "big")
        assert store is not None
        return store

    def add(self, *numbers: int) -> None:
        for number in numbers:
            vectors = self._vectors(60)
            hashes = [f"{number}-{place}" for place in range(60)]
            pieces = [Piece("", f"words {name}", place, place + 1) for place, name in enumerate(hashes)]
            made = {key: vector.tobytes() for key, vector in zip(hashes, vectors, strict=True)}
            document = NewDocument(f"doc-{number}", f"{number}.txt", "", "text", str(number), pieces, hashes)
            with self._database.write() as connection:
                shelf.put_document(connection, self.row, document, made)

    def remove(self, *numbers: int) -> None:
        for number in numbers:
            with self._database.write() as connection:
                shelf.remove_document(connection, self.row, f"doc-{number}")

    def nearest(self, question: Vectors, count: int) -> list[int]:
        with self._database.read() as connection:
            rows, vectors = shelf.store_vectors(connection, self.row)
        return [int(row) for row in rows[np.argsort(-(vectors @ question), kind="stable")[:count]]]

    def question(self) -> Vectors:
        question: Vectors = self._vectors(1)[0]
        return question

    def _vectors(self, count: int) -> Vectors:
        near = self._centres[self._chance.integers(0, len(self._centres), count)]
        vectors = near + 0.7 * self._chance.standard_normal((count, _DIMENSIONS))
        unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return unit


@pytest.fixture
def growing(database: Database) -> _Growing:
    growing = _Growing(database)
    growing.add(*range(20))
    return growing


@pytest.fixture
def cache(database: Database, index_dir: Path) -> Iterator[IndexCache]:
    cache = IndexCache(database, index_dir, _WALKED)
    yield cache
    cache.close()
    cache.settle()


def _agreement(cache: IndexCache, growing: _Growing) -> float:
    shares = []
    for _ in range(20):
        question = growing.question()
        found = cache.get(growing.row).search(question, 10)
        assert len(found) == 10
        shares.append(len(set(found) & set(growing.nearest(question, 10))) / 10)
    return float(np.mean(shares))


def test_graph_takes_over_once_it_is_built_and_says_what_it_finds(cache: IndexCache, growing: _Growing) -> None:
    assert cache.refresh("big").base.kind.exact

    cache.settle()

    assert not cache.get(growing.row).base.kind.exact
    assert growing.row.index_kind == "hnsw-sq8"
    assert (growing.row.index_recall or 0) >= 0.9
    assert _agreement(cache, growing) >= 0.85


def test_graph_that_finds_too_little_is_not_used(database: Database, index_dir: Path, growing: _Growing) -> None:
    # A graph of two links a vector falls apart.
    strict = IndexCache(database, index_dir, IndexSizes(exact=1000, least_recall=0.999, links=2))
    strict.refresh("big")

    strict.settle()

    assert strict.get(growing.row).base.kind.exact
    assert growing.row.index_kind == "flat"
    assert _agreement(strict, growing) == 1.0


def test_change_of_a_large_store_shows_at_once_without_building_anew(cache: IndexCache, growing: _Growing) -> None:
    cache.refresh("big")
    cache.settle()
    base = cache.get(growing.row).base
    growing.remove(3)
    growing.add(50)

    live = cache.refresh("big")

    assert live.base is base
    assert live.count == 20 * 60
    assert live.changed == pytest.approx(120 / 1200)
    assert _agreement(cache, growing) >= 0.85


def test_index_is_built_anew_when_much_of_it_is_dead(cache: IndexCache, growing: _Growing) -> None:
    cache.refresh("big")
    cache.settle()
    growing.add(*range(60, 64))
    growing.remove(0, 1, 2)
    assert cache.refresh("big").changed > 0.15

    cache.settle()

    live = cache.get(growing.row)
    assert live.changed == 0
    assert not live.base.kind.exact
    assert live.count == 21 * 60


def test_change_while_the_graph_is_built_is_not_lost(cache: IndexCache, growing: _Growing) -> None:
    cache.refresh("big")
    growing.remove(3)
    cache.refresh("big")

    cache.settle()

    gone = cache.get(growing.row)
    assert gone.count == 19 * 60
    assert _agreement(cache, growing) >= 0.85


def test_saved_graph_serves_the_next_start_with_what_has_changed_since(
    database: Database, index_dir: Path, cache: IndexCache, growing: _Growing
) -> None:
    cache.refresh("big")
    cache.settle()
    growing.remove(5)

    again = IndexCache(database, index_dir, _WALKED)

    live = again.get(growing.row)
    assert not live.base.kind.exact
    assert live.count == 19 * 60
    assert _agreement(again, growing) >= 0.85
    again.close()
    again.settle()


def test_small_store_is_built_anew_at_each_change(database: Database, index_dir: Path, growing: _Growing) -> None:
    small = IndexCache(database, index_dir)
    small.refresh("big")
    growing.remove(1)

    live = small.refresh("big")

    assert (live.changed, live.count, growing.row.index_kind) == (0, 19 * 60, "flat")
    assert _agreement(small, growing) == 1.0
