"""Small stores that change: a search finds at once what an exact one would, and waits for no file."""

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import event

from core.database import Database
from retrieval.index_cache import IndexCache
from retrieval.records import Vectors
from retrieval.tables import metadata
from tests.retrieval.growing import Growing

_PATIENCE = 30.0
_SOME = st.sets(st.integers(0, 9), max_size=2)


class _Changing(RuleBasedStateMachine):
    """A few of a hundred documents change, in any order, with searches, restarts and damage in between."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        base = Path(self._folder.name)
        self._indexes = base / "indexes"
        self._database = Database(base / "repertory.db")
        metadata.create_all(self._database.engine)
        self._growing = Growing(self._database, each=1)
        self._cache = IndexCache(self._database, self._indexes)

    @initialize(count=st.sampled_from([0, 100]))
    def fill(self, count: int) -> None:
        self._growing.add(*range(count))

    @rule(put=_SOME, removed=_SOME)
    def change_and_search(self, put: set[int], removed: set[int]) -> None:
        self.change(put, removed)
        self.search()

    @rule(put=_SOME, removed=_SOME)
    def change(self, put: set[int], removed: set[int]) -> None:
        self._growing.add(*put)
        self._growing.remove(*removed.intersection(self._growing.numbers))

    @rule(what=st.sampled_from(["sync", "wait", "restart", "damage", "embed anew"]))
    def go_on(self, what: str) -> None:
        if what == "sync":
            self._cache.refresh("big")
        elif what == "embed anew":
            self._growing.embed_anew()
        else:
            self._cache.settle()
        if what == "damage":
            for path in self._indexes.glob("*.faiss"):
                path.write_bytes(path.read_bytes()[:-1])
        if what in ("damage", "restart"):
            self._cache.close()
            self._cache = IndexCache(self._database, self._indexes)

    @rule()
    def search(self) -> None:
        question = self._growing.question()
        index = self._cache.get(self._growing.row)

        assert index.count == self._growing.count
        right = self._growing.cosines(question)
        for count in (1, 20):
            found = self._growing.named(index.search(question, count))
            assert len(set(found)) == min(count, len(right))
            # Not the names: where two are as near as a rounding, either may be the first.
            assert [right[name] for name in found] == pytest.approx(list(right.values())[:count], abs=1e-5)

    def teardown(self) -> None:
        self.search()
        self._cache.close()
        self._cache.settle()
        self._database.close()
        self._folder.cleanup()


def test_after_any_changes_a_search_finds_what_an_exact_one_finds() -> None:
    run_state_machine_as_test(_Changing, settings=settings(max_examples=12, stateful_step_count=25))


@pytest.fixture
def growing(database: Database) -> Growing:
    growing = Growing(database, each=5)
    growing.add(*range(40))
    return growing


@pytest.fixture
def cache(database: Database, index_dir: Path) -> Iterator[IndexCache]:
    cache = IndexCache(database, index_dir)
    yield cache
    cache.close()
    cache.settle()


def _file(growing: Growing, index_dir: Path) -> tuple[int, bytes]:
    path = index_dir / f"{growing.row.id}.faiss"
    return path.stat().st_ino, path.read_bytes()


def test_a_few_changes_are_laid_over_the_index_and_leave_its_file_alone(
    cache: IndexCache, growing: Growing, index_dir: Path
) -> None:
    base = cache.get(growing.row).base
    cache.settle()
    written = _file(growing, index_dir)
    for number in range(40, 50):
        growing.add(number)
        assert cache.get(growing.row).count == 41 * 5
        growing.remove(number)
        assert cache.get(growing.row).count == 40 * 5
    growing.add(7)

    live = cache.get(growing.row)

    cache.settle()
    assert live.base is base
    assert live.changed == 2 * 5 / 200
    assert _file(growing, index_dir) == written


def test_many_changes_are_built_in_and_written_in_the_background(
    cache: IndexCache, growing: Growing, index_dir: Path
) -> None:
    base = cache.get(growing.row).base
    growing.add(*range(40, 47))
    growing.remove(3)
    assert cache.get(growing.row).base is base

    cache.settle()

    live = cache.get(growing.row)
    assert (live.base.count, live.changed) == (46 * 5, 0)
    assert growing.row.index_count == 46 * 5


def test_saved_index_serves_the_next_start_with_what_has_changed_since(
    database: Database, cache: IndexCache, growing: Growing, index_dir: Path
) -> None:
    cache.get(growing.row)
    cache.settle()
    written = _file(growing, index_dir)
    growing.remove(5)
    growing.add(6)
    kept = growing.row.index_sha256

    again = IndexCache(database, index_dir)

    live = again.get(growing.row)
    again.settle()
    assert (live.base.count, live.count) == (200, 39 * 5)
    assert growing.named(live.search(growing.vector(6), 1)) == growing.nearest(growing.vector(6), 1)
    assert (_file(growing, index_dir), growing.row.index_sha256) == (written, kept)


def test_a_search_does_not_wait_until_its_index_is_saved(
    database: Database, cache: IndexCache, growing: Growing
) -> None:
    with database.write():  # a file counts once the database says so, which it cannot now
        found = cache.get(growing.row).search(growing.vector(3), 1)

        assert growing.named(found) == growing.nearest(growing.vector(3), 1)
        assert growing.row.index_sha256 is None
    cache.settle()

    assert growing.row.index_count == 200


def test_a_store_that_is_brought_up_to_date_holds_up_no_search_of_another(
    database: Database, cache: IndexCache, growing: Growing
) -> None:
    other = Growing(database, "other", each=5)
    other.add(1, 2)
    reached, go_on = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        if threading.current_thread().name.startswith("held"):
            reached.set()
            assert go_on.wait(_PATIENCE)

    event.listen(database.engine, "before_cursor_execute", hold)
    with ThreadPoolExecutor(1, thread_name_prefix="held") as pool:
        held = pool.submit(cache.get, growing.row)
        assert reached.wait(_PATIENCE)

        found = cache.get(other.row).search(other.vector(2), 1)

        assert not held.done()
        go_on.set()
        assert held.result().count == 200
    assert other.named(found) == other.nearest(other.vector(2), 1)


@dataclass(frozen=True, slots=True)
class _Passage:
    row: int
    vector: Vectors


def test_searches_beside_a_writer_find_what_has_come_and_nothing_that_has_gone(
    cache: IndexCache, growing: Growing
) -> None:
    there: list[_Passage | None] = [None]
    gone: list[_Passage] = []
    ended = threading.Event()

    def look() -> int:
        checked = 0
        while not (ended.is_set() and checked):
            came, went = there[0], gone[-3:]
            index = cache.get(growing.row)
            if came is not None:
                found = index.search(came.vector, 1)
                if there[0] is came:
                    assert found == [came.row]
                    checked += 1
            for passage in went:
                assert passage.row not in index.search(passage.vector, 5)
                checked += 1
        return checked

    with ThreadPoolExecutor(3) as pool:
        looking = [pool.submit(look) for _ in range(3)]
        for number in range(100, 140):
            growing.add(number)
            passage = there[0] = _Passage(growing.first_row(number), growing.vector(number))
            growing.add(number - 100)
            there[0] = None
            growing.remove(number)
            gone.append(passage)
        ended.set()
        assert all(one.result(_PATIENCE) for one in looking)
