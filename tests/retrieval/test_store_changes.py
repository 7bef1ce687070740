"""What has gone from a store is found at once by both legs, and read without reading all that is left."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text

from core.database import Database
from retrieval import shelf
from retrieval.index_cache import IndexCache
from retrieval.tables import REMOVALS_KEPT
from retrieval.word_cache import WordCache
from tests.retrieval.growing import Growing

_REPOSITORY = Path(__file__).resolve().parents[2]
_DOCUMENTS = 60
_EACH = 20  # passages: with them the words are more than what is made anew at each removal


class _Legs:
    """Both caches of one process."""

    def __init__(self, database: Database, indexes: Path) -> None:
        self._database = database
        self.indexes = IndexCache(database, indexes)
        self.words = WordCache(database, indexes)

    def check(self, growing: Growing) -> None:
        """Both hold the rows that the store has, and find no other."""
        store = growing.row
        with self._database.read() as connection:
            there = shelf.rows_above(connection, store.id, 0)
        index, words = self.indexes.get(store), self.words.get(store)
        assert sorted(index.rows.tolist()) == there.tolist()
        assert words.rows.tolist() == there.tolist()
        everything = index.search(growing.question(), len(there) + 100)
        assert sorted(everything) == there.tolist()
        said = words.search({"word": 1.0}, len(there) + 100).rows
        assert sorted(said.tolist()) == there.tolist()

    def close(self) -> None:
        for cache in (self.indexes, self.words):
            cache.close()
            cache.settle()


@pytest.fixture
def growing(database: Database) -> Growing:
    growing = Growing(database, each=_EACH)
    growing.add(*range(_DOCUMENTS))
    return growing


@pytest.fixture
def opened(database: Database, index_dir: Path) -> Iterator[Callable[[], _Legs]]:
    made: list[_Legs] = []

    def opened() -> _Legs:
        made.append(_Legs(database, index_dir))
        return made[-1]

    yield opened
    for legs in made:
        legs.close()


def _noted(database: Database) -> list[tuple[int, int]]:
    with database.read() as connection:
        found = connection.execute(text('SELECT seq, "row" FROM retrieval_removals ORDER BY seq')).all()
    return [(seq, row) for seq, row in found]


def _forget(database: Database, but: int) -> None:
    """Leave the newest removals alone, as many more of them would have done."""
    with database.write() as connection:
        newest = shelf.latest_removal(connection)
        connection.execute(text("DELETE FROM retrieval_removals WHERE seq <= :last"), {"last": newest - but})


def test_a_removed_passage_is_gone_at_once_from_both_legs(growing: Growing, opened: Callable[[], _Legs]) -> None:
    legs = opened()
    legs.check(growing)
    for number in range(4):
        growing.remove(number)
        legs.check(growing)
        growing.add(number, number + 10)  # one comes back, one is changed
        legs.check(growing)


def test_it_is_gone_though_its_removal_is_no_longer_remembered(
    database: Database, growing: Growing, opened: Callable[[], _Legs]
) -> None:
    legs = opened()
    legs.check(growing)
    growing.remove(3, 4)
    _forget(database, but=_EACH)  # of the two, one is half of what went
    legs.check(growing)
    growing.remove(5)
    _forget(database, but=1)
    legs.check(growing)
    growing.remove(6)
    legs.check(growing)


@pytest.mark.parametrize("kept", [_EACH - 1, _EACH, _EACH + 1])
def test_it_is_gone_however_many_removals_are_kept(
    database: Database, growing: Growing, opened: Callable[[], _Legs], kept: int
) -> None:
    legs = opened()
    growing.remove(1)
    legs.check(growing)
    growing.remove(2)
    _forget(database, but=kept)

    legs.check(growing)


def test_two_processes_each_learn_all_that_has_gone(growing: Growing, opened: Callable[[], _Legs]) -> None:
    one, other = opened(), opened()
    one.check(growing)
    other.check(growing)
    growing.remove(1)
    one.check(growing)
    growing.add(70)
    growing.remove(2, 70)  # one that neither has held
    one.check(growing)

    other.check(growing)


def test_removals_from_another_store_take_nothing_from_this_one(
    database: Database, growing: Growing, opened: Callable[[], _Legs]
) -> None:
    other = Growing(database, "other", each=5)
    other.add(*range(30))
    legs = opened()
    legs.check(growing)
    legs.check(other)
    other.remove(*range(4))
    growing.remove(7)

    legs.check(growing)
    legs.check(other)


def test_files_of_an_older_generation_find_nothing_that_has_gone_since(
    growing: Growing, opened: Callable[[], _Legs]
) -> None:
    before = opened()
    before.check(growing)
    before.indexes.settle()
    growing.remove(1)
    growing.add(2)

    after = opened()

    after.check(growing)
    growing.remove(3)
    after.check(growing)


def test_a_store_that_takes_another_embedder_has_only_what_is_there(
    growing: Growing, opened: Callable[[], _Legs]
) -> None:
    legs = opened()
    legs.check(growing)
    growing.remove(1)
    growing.embed_anew()
    legs.check(growing)
    growing.remove(2)
    legs.check(growing)


_REMOVES_AND_DIES = """
import os, signal, sys
from pathlib import Path
from core.database import Database
from retrieval import shelf

database = Database(Path(sys.argv[1]) / "repertory.db")
with database.write() as connection:
    shelf.remove_document(connection, shelf.present_store(connection, "big"), "big-1")
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_another_process_killed_about_its_commit_leaves_passages_and_removals_of_one_mind(
    database: Database, growing: Growing, opened: Callable[[], _Legs], tmp_path: Path, moment: str
) -> None:
    legs = opened()
    legs.check(growing)

    ended = subprocess.run([sys.executable, "-c", _REMOVES_AND_DIES, str(tmp_path), moment], cwd=_REPOSITORY)

    assert ended.returncode == -signal.SIGKILL
    assert len(_noted(database)) == (0 if moment == "before" else _EACH)
    legs.check(growing)
    growing.remove(2)
    legs.check(growing)


def test_what_is_remembered_is_bounded(database: Database, growing: Growing) -> None:
    growing.remove(1)
    first = _noted(database)
    assert [seq for seq, _ in first] == list(range(1, _EACH + 1))
    with database.write() as connection:  # as many more would have done
        connection.execute(
            text("UPDATE sqlite_sequence SET seq = :last WHERE name = 'retrieval_removals'"),
            {"last": REMOVALS_KEPT},
        )
    growing.remove(2)

    assert [seq for seq, _ in _noted(database)] == list(range(REMOVALS_KEPT + 1, REMOVALS_KEPT + _EACH + 1))


def test_a_removal_that_this_database_does_not_know_is_not_built_upon(
    database: Database, growing: Growing
) -> None:
    growing.remove(1)
    with database.read() as connection:
        assert shelf.removed_after(connection, growing.row.id, _EACH + 1) is None
        nothing = shelf.removed_after(connection, growing.row.id, _EACH)
        assert nothing is not None
        assert len(nothing) == 0


def _steps(database: Database, work: Callable[[], object]) -> int:
    """Return how many instructions SQLite's machine runs: as many on every computer."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    def watch(raw: sqlite3.Connection, *_: object) -> None:
        raw.set_progress_handler(count, 1)

    def leave(raw: sqlite3.Connection, *_: object) -> None:
        raw.set_progress_handler(None, 0)

    event.listen(database.engine, "checkout", watch)
    event.listen(database.engine, "checkin", leave)
    work()
    event.remove(database.engine, "checkout", watch)
    event.remove(database.engine, "checkin", leave)
    return counted


def test_a_search_after_a_change_reads_what_changed_and_not_what_is_there(
    database: Database, growing: Growing, opened: Callable[[], _Legs]
) -> None:
    read = []
    for documents in (range(_DOCUMENTS, _DOCUMENTS), range(_DOCUMENTS, 4 * _DOCUMENTS)):
        growing.add(*documents)
        legs = opened()
        legs.check(growing)
        growing.remove(1)
        legs.check(growing)
        legs.indexes.settle()
        growing.add(1)
        store = growing.row
        read.append(
            (_steps(database, lambda: legs.indexes.get(store)), _steps(database, lambda: legs.words.get(store)))  # noqa: B023
        )

    (few_vectors, few_words), (many_vectors, many_words) = read
    assert 0 < many_vectors < 1.2 * few_vectors
    assert 0 < many_words < 1.2 * few_words
