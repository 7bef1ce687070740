"""A store that grows past the size of an exact scan: a graph is built beside it and serves only if it is good."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.database import Database
from retrieval.built_index import IndexSizes
from retrieval.index_cache import IndexCache
from tests.retrieval.growing import Growing

_WALKED = IndexSizes(exact=1000, least_recall=0.9)


@pytest.fixture
def growing(database: Database) -> Growing:
    growing = Growing(database)
    growing.add(*range(20))
    return growing


@pytest.fixture
def cache(database: Database, index_dir: Path) -> Iterator[IndexCache]:
    cache = IndexCache(database, index_dir, _WALKED)
    yield cache
    cache.close()
    cache.settle()


def _agreement(cache: IndexCache, growing: Growing) -> float:
    shares = []
    for _ in range(20):
        question = growing.question()
        found = growing.named(cache.get(growing.row).search(question, 10))
        assert len(found) == 10
        shares.append(len(set(found) & set(growing.nearest(question, 10))) / 10)
    return float(np.mean(shares))


def test_graph_takes_over_once_it_is_built_and_says_what_it_finds(cache: IndexCache, growing: Growing) -> None:
    assert cache.refresh("big").base.kind.exact

    cache.settle()

    assert not cache.get(growing.row).base.kind.exact
    assert growing.row.index_kind == "hnsw-sq8"
    assert (growing.row.index_recall or 0) >= 0.9
    assert _agreement(cache, growing) >= 0.85


def test_graph_that_finds_too_little_is_not_used(database: Database, index_dir: Path, growing: Growing) -> None:
    # A graph of two links a vector falls apart.
    strict = IndexCache(database, index_dir, IndexSizes(exact=1000, least_recall=0.999, links=2))
    strict.refresh("big")

    strict.settle()

    assert strict.get(growing.row).base.kind.exact
    assert growing.row.index_kind == "flat"
    assert _agreement(strict, growing) == 1.0


def test_change_of_a_large_store_shows_at_once_without_building_anew(cache: IndexCache, growing: Growing) -> None:
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


def test_index_is_built_anew_when_much_of_it_is_dead(cache: IndexCache, growing: Growing) -> None:
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


def test_change_while_the_graph_is_built_is_not_lost(cache: IndexCache, growing: Growing) -> None:
    cache.refresh("big")
    growing.remove(3)
    cache.refresh("big")

    cache.settle()

    gone = cache.get(growing.row)
    assert gone.count == 19 * 60
    assert _agreement(cache, growing) >= 0.85


def test_saved_graph_serves_the_next_start_with_what_has_changed_since(
    database: Database, index_dir: Path, cache: IndexCache, growing: Growing
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
