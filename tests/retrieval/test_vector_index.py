"""Indexes over vectors alone: kinds, selections, what is measured, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from retrieval.index_recall import DEPTH, Examination, fitted, nearest
from retrieval.live_index import LiveIndex
from retrieval.records import Vectors
from retrieval.vector_index import FLAT_LIMIT, IndexKind, Rows, VectorIndex

_COUNT = FLAT_LIMIT + 2_000


def _cloud(count: int = _COUNT, dimensions: int = 32, clusters: int = 60) -> tuple[Rows, Vectors]:
    """Rows, whose numbers begin at 1000, and unit vectors around some centres."""
    chance = np.random.default_rng(7)
    centres = chance.standard_normal((clusters, dimensions))
    vectors = centres[chance.integers(0, clusters, count)] + 0.6 * chance.standard_normal((count, dimensions))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return np.arange(count, dtype=np.int64) + 1000, unit


@pytest.fixture(scope="module")
def cloud() -> tuple[Rows, Vectors]:
    return _cloud()


@pytest.fixture(scope="module")
def indexes(cloud: tuple[Rows, Vectors]) -> list[VectorIndex]:
    rows, vectors = cloud
    graph = VectorIndex.approximate(rows, vectors)
    assert graph is not None
    graph.widen(128)
    return [VectorIndex.exact(rows[:500], vectors[:500]), VectorIndex.exact(rows, vectors), graph]


def test_kind_follows_size_and_each_finds_what_it_holds(
    indexes: list[VectorIndex], cloud: tuple[Rows, Vectors]
) -> None:
    _, vectors = cloud

    assert [index.kind for index in indexes] == [IndexKind.FLAT, IndexKind.SQ8, IndexKind.GRAPH]
    for index in indexes:
        assert [index.search(vectors[n], 1).rows[0] for n in (0, 77, 499)] == [1000, 1077, 1499]


def test_index_comes_back_from_its_file_as_it_was(
    indexes: list[VectorIndex], cloud: tuple[Rows, Vectors], tmp_path: Path
) -> None:
    for index in indexes:
        index.write(tmp_path / "one.faiss")
        again = VectorIndex.read(tmp_path / "one.faiss")

        assert (again.kind, again.count, again.dimensions, again.width) == (
            index.kind,
            index.count,
            index.dimensions,
            index.width,
        )
        assert again.rows.tolist() == index.rows.tolist()
        question = cloud[1][3]
        assert again.search(question, 5).rows.tolist() == index.search(question, 5).rows.tolist()


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1])
def test_search_among_few_allowed_rows_finds_exactly_the_nearest_of_them(
    indexes: list[VectorIndex], cloud: tuple[Rows, Vectors], share: float
) -> None:
    rows, vectors = cloud
    chance = np.random.default_rng(3)
    questions = Examination.of(rows, vectors, seed=5, questions=20).questions
    for index in indexes[1:]:
        allowed = chance.choice(index.rows, max(12, int(share * index.count)), replace=False)
        theirs = vectors[allowed - 1000]
        right = nearest(questions, allowed, theirs, DEPTH)

        found = [index.search(question, DEPTH, allowed).rows for question in questions]

        assert all(set(hits) <= set(allowed) and len(hits) == DEPTH for hits in found)
        kept = sum(len(set(hits) & set(answer)) for hits, answer in zip(found, right, strict=True))
        assert kept >= 0.97 * right.size  # eight bits a component are what is lost


def test_search_among_no_rows_finds_nothing(indexes: list[VectorIndex], cloud: tuple[Rows, Vectors]) -> None:
    for index in indexes:
        assert index.search(cloud[1][0], 5, np.empty(0, np.int64)).rows.tolist() == []


def test_walk_is_widened_until_it_finds_what_is_asked(cloud: tuple[Rows, Vectors]) -> None:
    rows, vectors = cloud
    index = VectorIndex.approximate(rows, vectors, links=4)
    assert index is not None
    index.widen(16)
    narrow = Examination.of(rows, vectors, seed=2).recall(index)

    recall = fitted(index, rows, vectors, least=0.9)

    assert narrow < 0.9 <= recall
    assert 16 < index.width <= 512


def test_graph_with_too_few_links_is_known_by_its_examination(cloud: tuple[Rows, Vectors]) -> None:
    rows, vectors = cloud
    bad = VectorIndex.approximate(rows, vectors, links=2)
    assert bad is not None

    assert fitted(bad, rows, vectors, least=0.95) < 0.95


def test_examination_finds_nothing_wrong_with_an_exact_index(cloud: tuple[Rows, Vectors]) -> None:
    rows, vectors = cloud[0][:3000], cloud[1][:3000]

    assert Examination.of(rows, vectors, seed=1).recall(VectorIndex.exact(rows, vectors)) > 0.999


def test_examination_takes_one_of_two_passages_that_are_alike_for_as_good_as_the_other(
    cloud: tuple[Rows, Vectors],
) -> None:
    vectors = np.tile(cloud[1][:500], (12, 1))
    rows = np.arange(len(vectors), dtype=np.int64)
    last_ones = VectorIndex.exact(rows[-5500:], vectors[-5500:])

    assert Examination.of(rows, vectors, seed=1).recall(last_ones) > 0.999


def test_examination_of_a_store_with_fewer_rows_than_answers_counts_them_all() -> None:
    rows, vectors = _cloud(4)

    assert Examination.of(rows, vectors, seed=1).recall(VectorIndex.exact(rows, vectors)) == 1.0


def test_building_ends_when_it_is_told_to(cloud: tuple[Rows, Vectors]) -> None:
    assert VectorIndex.approximate(*cloud, going_on=lambda: False) is None


def test_index_without_a_gpu_stays_where_it_is(indexes: list[VectorIndex]) -> None:
    assert indexes[2].on_gpu() is indexes[2]


@pytest.mark.parametrize("which", [1, 2])
def test_rows_that_are_gone_are_not_found_and_rows_that_came_are(
    indexes: list[VectorIndex], cloud: tuple[Rows, Vectors], which: int
) -> None:
    _, vectors = cloud
    base, question = indexes[which], vectors[4]
    first = base.search(question, 30).rows
    came = np.array([9_000_000], np.int64)

    live = LiveIndex.over(base).without(first[:20]).grown(came, question.reshape(1, -1))

    found = live.search(question, 11)
    assert found == [9_000_000, *first[20:30].tolist()]
    assert live.count == base.count - 20 + 1
    assert live.search(question, 5, np.append(first[18:22], 9_000_000)) == [9_000_000, *first[20:22].tolist()]


def test_index_with_all_rows_gone_finds_nothing() -> None:
    rows, vectors = _cloud(5)

    live = LiveIndex.over(VectorIndex.exact(rows, vectors)).without(rows)

    assert live.search(vectors[0], 3) == []
