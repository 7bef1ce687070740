"""One index a store, kept in memory. A cache, as its file is: the database is the truth.

What has changed since an index was built is laid over it, at once and in little time. It is built anew, and its
file written, in the background. A large store is searched exactly until its approximate index is built.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from core.database import Database
from core.errors import Unavailable
from retrieval import shelf
from retrieval.built_index import BuiltIndex, IndexSizes
from retrieval.index_files import IndexFiles
from retrieval.live_index import REBUILT_AT, LiveIndex
from retrieval.shelf import Store
from retrieval.store_changes import StoreChanges

_LOG = logging.getLogger(__name__)
_MOST_LAID_OVER = 0.5
"""Share of a store's passages above which reading those that came takes as long as reading all."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """An index of a store as it was at one generation.

    Attributes:
        noted: the latest removal of that moment; None if the index lacked passages of the store, or nobody knows.
    """

    store: Store
    index: LiveIndex
    noted: int | None = None


@dataclass(slots=True)
class _Place:
    """What is kept of one store.

    Attributes:
        turn: of whoever changes any of it.
        snapshot: what searches use.
        unwritten: built, and not yet a file.
        builder: at work in the background, if any.
        refused: an approximate index found too little; it is not tried again before much has changed.
    """

    turn: threading.Lock = field(default_factory=threading.Lock)
    snapshot: _Snapshot | None = None
    unwritten: BuiltIndex | None = None
    builder: threading.Thread | None = None
    refused: bool = False


class IndexCache:
    """Hands out immutable indexes; what changes puts a new one in the place of the old.

    A search that runs meanwhile keeps the index that it began with.
    """

    def __init__(self, database: Database, folder: Path, sizes: IndexSizes | None = None) -> None:
        self._database = database
        self._files = IndexFiles(database, folder)
        self._sizes = sizes or IndexSizes()
        self._places: dict[int, _Place] = {}
        self._closed = threading.Event()

    def get(self, store: Store) -> LiveIndex:
        """Return the index of a store, which may be as old as the last `refresh`."""
        place = self._places.setdefault(store.id, _Place())
        held = place.snapshot
        # A folder's index is refreshed by its sync; that of a store of uploads, whose files come and go one by
        # one and must be found once they are said to be completed, by the first search that needs it.
        stale = held is not None and store.id < 0 and held.store.generation != store.generation
        if held is not None and held.store.embedder == store.embedder and not stale:
            return held.index
        with place.turn:
            fresh = place.snapshot = self._caught_up(store, place)
            if place.unwritten is not None or self._outgrown(fresh, place):
                self._build_later(place)
        return fresh.index

    def refresh(self, name: str) -> LiveIndex:
        """Bring memory and file up to the store's present generation; a sync, unlike a search, has time for it."""
        with self._database.read() as connection:
            store = shelf.present_store(connection, name)
        place = self._places.setdefault(store.id, _Place())
        with place.turn:
            fresh = place.snapshot = self._caught_up(store, place, at_leisure=True)
            unwritten, place.unwritten = place.unwritten, None
            if self._outgrown(fresh, place):
                self._build_later(place)
        if unwritten is not None:
            self._write(unwritten)
        return fresh.index

    def settle(self) -> None:
        """Wait until no index is being built or written."""
        for place in list(self._places.values()):
            while (builder := place.builder) is not None:
                builder.join()

    def close(self) -> None:
        """Build and write no further index; one that is being built is given up at its next step."""
        self._closed.set()
        self._files.close()

    def drop_gone(self) -> None:
        """Forget the indexes of stores that are no more."""
        there = self._files.drop_gone()
        for number in set(self._places) - there:
            self._places.pop(number, None)

    def _caught_up(self, store: Store, place: _Place, *, at_leisure: bool = False) -> _Snapshot:
        """Return the store's index of this moment, made of what is held in memory or in its file if possible."""
        with self._database.snapshot() as connection:  # generation and vectors belong to each other
            now = shelf.present_store(connection, store.name, store.id)
            held = place.snapshot
            if held is None or held.store.embedder != now.embedder:
                held = self._read(now)
            elif held.store.generation == now.generation:
                return held
            fresh = held and self._changed(connection, now, held)
            if fresh is None or (at_leisure and self._soon_rebuilt(fresh.index)):
                built = BuiltIndex.exact(now, *shelf.store_vectors(connection, now))
                place.unwritten, place.refused = built, False
                fresh = _Snapshot(now, LiveIndex.over(built.index), _noted(connection, now, built.index.count))
        return fresh

    def _read(self, store: Store) -> _Snapshot | None:
        index = self._files.read(store)
        return None if index is None else _Snapshot(store, LiveIndex.over(index.on_gpu()))

    def _changed(self, connection: Connection, store: Store, held: _Snapshot) -> _Snapshot | None:
        """Return an index of the store with what has changed since; None if it is as well built anew.

        The vector of a row stays as long as its embedder.
        """
        changes = StoreChanges.since(connection, store.id, held.index, held.noted)
        index = held.index.without(changes.gone)
        passages = index.count + len(changes.came)
        if len(changes.came) > _MOST_LAID_OVER * passages:
            return None
        found = shelf.passage_vectors(connection, store.embedder, changes.came.tolist())
        if found:
            index = index.grown(np.array(list(found), np.int64), np.stack(list(found.values())))
        return _Snapshot(store, index, changes.noted if index.count == passages else None)

    def _outgrown(self, held: _Snapshot, place: _Place) -> bool:
        """Tell whether the index is to be built anew: much has changed, or another kind belongs to its size."""
        large = held.index.count > self._sizes.exact
        wrong = held.index.base.kind.exact is large and not (large and place.refused)
        return wrong or held.index.changed > REBUILT_AT

    def _soon_rebuilt(self, index: LiveIndex) -> bool:
        """Tell whether an exact index is to be built anew, which takes a moment."""
        return index.count <= self._sizes.exact and (index.changed > REBUILT_AT or not index.base.kind.exact)

    def _build_later(self, place: _Place) -> None:
        if place.builder is None and not self._closed.is_set():
            # A daemon: what it makes is a cache, and a server that ends does not wait for it.
            place.builder = threading.Thread(target=self._build, args=(place,), name="index-builder", daemon=True)
            place.builder.start()

    def _build(self, place: _Place) -> None:
        """Write and build one thing after the other until nothing is left to do."""
        try:
            while (work := self._next(place)) is not None and work():
                pass
        except (Unavailable, LookupError, MemoryError, RuntimeError) as error:
            _LOG.warning("An index is not built, its passages are searched as before: %s", error)
        finally:
            with place.turn:
                if place.builder is threading.current_thread():
                    place.builder = None

    def _next(self, place: _Place) -> Callable[[], bool] | None:
        """Return what a builder has to do; None if it has nothing, and is its place's builder no more."""
        with place.turn:
            held, built = place.snapshot, place.unwritten
            if not self._closed.is_set():
                if built is not None:
                    place.unwritten = None
                    return partial(self._write, built)
                if held is not None and self._outgrown(held, place):
                    return partial(self._rebuild, place, held.store)
            place.builder = None
            return None

    def _write(self, built: BuiltIndex) -> bool:
        self._files.write(built.store, built.index, built.recall())
        return True

    def _rebuild(self, place: _Place, named: Store) -> bool:
        """Build the index anew; tell whether it has taken its place."""
        with self._database.snapshot() as connection:
            store = shelf.find_store(connection, named.name)
            if store is None:
                return False
            rows, vectors = shelf.store_vectors(connection, store)
            noted = _noted(connection, store, len(rows))
        built = BuiltIndex.of(store, rows, vectors, self._sizes, lambda: not self._closed.is_set())
        if built is None:
            return False
        place.refused = built.index.kind.exact and built.index.count > self._sizes.exact
        return self._swap(place, built, noted)

    def _swap(self, place: _Place, built: BuiltIndex, noted: int | None) -> bool:
        """Put an index in the place of the one that serves, with what has changed while it was built."""
        store = built.store
        with place.turn:
            held = place.snapshot
            if held is None or held.store.embedder != store.embedder:
                return False
            with self._database.snapshot() as connection:
                now = shelf.find_store(connection, store.name)
                if now is None or (now.id, now.embedder) != (store.id, store.embedder):
                    return False
                index = LiveIndex.over(built.index.on_gpu())
                fresh = self._changed(connection, now, _Snapshot(store, index, noted))
            place.unwritten = built
            place.snapshot = fresh or held
        return True


def _noted(connection: Connection, store: Store, count: int) -> int | None:
    """Return the latest removal, if an index of so many passages holds all that the store has."""
    return shelf.latest_removal(connection) if count == shelf.passage_count(connection, store.id) else None
