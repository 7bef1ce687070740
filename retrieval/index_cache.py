"""One index a store, kept in memory and as a file. Both are caches: the database is the truth.

A file counts only if embedder, digest and count agree with the database, since faiss would load a flipped byte
without a word. A large store is searched exactly until its approximate index is built, which happens in the
background and counts only if it finds what an exact search finds.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from core.database import Database
from core.durable import bring_to_disk
from core.errors import NotFound, Unavailable
from retrieval import shelf
from retrieval.index_recall import Examination, fitted
from retrieval.live_index import REBUILT_AT, LiveIndex
from retrieval.records import Vectors
from retrieval.shelf import Store
from retrieval.vector_index import EXACT_LIMIT, FLAT_LIMIT, LINKS, Rows, VectorIndex, digest

_LOG = logging.getLogger(__name__)
LEAST_RECALL = 0.95


@dataclass(frozen=True, slots=True)
class IndexSizes:
    """Where the kinds of index change.

    Attributes:
        exact: above so many passages a graph is walked, if it finds enough.
        least_recall: recall@10 against an exact search below which an approximate index is not used.
        links: of each passage to its neighbours in the graph.
    """

    exact: int = EXACT_LIMIT
    least_recall: float = LEAST_RECALL
    links: int = LINKS


@dataclass(frozen=True, slots=True)
class _Snapshot:
    embedder: str
    generation: int
    index: LiveIndex


@dataclass(frozen=True, slots=True)
class _Built:
    index: VectorIndex
    recall: float


class IndexCache:
    """Hands out immutable indexes; a refresh puts a new one in the place of the old.

    A search that runs meanwhile keeps the index that it began with.
    """

    def __init__(self, database: Database, folder: Path, sizes: IndexSizes | None = None) -> None:
        self._database = database
        self._folder = folder
        self._sizes = sizes or IndexSizes()
        self._snapshots: dict[int, _Snapshot] = {}
        self._refreshing = threading.Lock()
        self._builders: dict[int, threading.Thread] = {}
        self._refused: set[int] = set()
        self._closed = threading.Event()
        self._sweep()

    def get(self, store: Store) -> LiveIndex:
        """Return the index of a store, which may be as old as the last `refresh`."""
        snapshot = self._snapshots.get(store.id)
        # A folder's index is refreshed by its sync; that of a store of uploads, whose files come and go one by
        # one and must be found once they are said to be completed, by the first search that needs it.
        stale = snapshot is not None and store.id < 0 and snapshot.generation != store.generation
        if snapshot is None or snapshot.embedder != store.embedder or stale:
            return self.refresh(store.name)
        return snapshot.index

    def refresh(self, name: str) -> LiveIndex:
        """Bring memory and file up to the store's present generation."""
        with self._refreshing:
            built = None
            with self._database.read() as connection:
                # One transaction, so that generation and vectors belong to each other.
                connection.exec_driver_sql("BEGIN")
                store = shelf.find_store(connection, name)
                if store is None:
                    raise NotFound(f"The knowledge store {name!r} is gone.")
                held = self._snapshots.get(store.id)
                if held and (held.embedder, held.generation) == (store.embedder, store.generation):
                    return held.index
                index = self._caught_up(connection, store, held)
                if index is None:
                    built = _built_exact(*shelf.store_vectors(connection, store))
                    index = LiveIndex(built.index)
                connection.rollback()
            if built is not None:
                self._refused.discard(store.id)
                self._keep(store, built)
            self._snapshots[store.id] = _Snapshot(store.embedder, store.generation, index)
            if self._wants_graph(store, index):
                self._build_later(store)
            return index

    def settle(self) -> None:
        """Wait until no index is being built."""
        for builder in list(self._builders.values()):
            builder.join()

    def close(self) -> None:
        """Build no further index; one that is being built is given up at its next step."""
        self._closed.set()

    def path(self, store: Store) -> Path:
        """Return where the index of a store is kept."""
        return self._folder / f"{store.id}.faiss"

    def drop_gone(self) -> None:
        """Forget the indexes of stores that are no more."""
        with self._refreshing:
            with self._database.read() as connection:
                there = shelf.store_numbers(connection)
            self._snapshots = {number: one for number, one in self._snapshots.items() if number in there}
            for path in self._folder.glob("*.faiss"):
                if path.stem.lstrip("-").isdecimal() and int(path.stem) not in there:
                    path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove half-written files of processes that are gone."""
        for beside in self._folder.glob("*.tmp"):
            writer = beside.suffixes[0].lstrip(".")
            if not (writer.isdecimal() and Path("/proc", writer).exists()):
                beside.unlink(missing_ok=True)

    def _caught_up(self, connection: Connection, store: Store, held: _Snapshot | None) -> LiveIndex | None:
        """Return the index of memory or file with what has changed since; None if it has to be built anew.

        A row number is never given twice, and its vector stays as long as its embedder.
        """
        base = held.index.base if held and held.embedder == store.embedder else self._load(store)
        if base is None:
            return None
        rows = shelf.store_rows(connection, store)
        came = np.setdiff1d(rows, base.rows, assume_unique=True)
        gone = np.setdiff1d(base.rows, rows, assume_unique=True)
        if not len(came) and not len(gone):
            return LiveIndex(base)
        if len(rows) <= self._sizes.exact or (base.kind.exact and len(came) + len(gone) > REBUILT_AT * base.count):
            return None
        return LiveIndex.over(base, gone, self._added(connection, store, came))

    def _added(self, connection: Connection, store: Store, rows: Rows) -> VectorIndex | None:
        found = shelf.passage_vectors(connection, store.embedder, rows.tolist())
        if not found:
            return None
        return VectorIndex.exact(np.array(list(found), np.int64), np.stack(list(found.values())))

    def _load(self, store: Store) -> VectorIndex | None:
        path = self.path(store)
        try:
            if store.index_embedder != store.embedder or digest(path) != store.index_sha256:
                return None
            index = VectorIndex.read(path)
        except (OSError, RuntimeError):
            return None
        sound = (index.count, index.dimensions) == (store.index_count, store.dimensions)
        return index.on_gpu() if sound else None

    def _keep(self, store: Store, built: _Built) -> None:
        """Save an index; without its file it is only built again after the next start."""
        beside = self.path(store).with_suffix(f".{os.getpid()}.tmp")
        try:
            self._save(store, built, beside)
        except (OSError, RuntimeError, Unavailable) as error:
            _LOG.warning("The index of %r is not saved: %s", store.name, error)
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)  # a full disk has no room for half an index

    def _save(self, store: Store, built: _Built, beside: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        built.index.write(beside)
        bring_to_disk(beside)
        beside.replace(self.path(store))
        bring_to_disk(self._folder)
        with self._database.write() as connection:
            shelf.change_store(
                connection,
                store.id,
                index_generation=store.generation,
                index_sha256=digest(self.path(store)),
                index_count=built.index.count,
                index_embedder=store.embedder,
                index_kind=built.index.kind.value,
                index_recall=built.recall,
            )

    def _wants_graph(self, store: Store, index: LiveIndex) -> bool:
        if index.count <= self._sizes.exact or store.id in self._refused:
            return False
        return index.base.kind.exact or index.changed > REBUILT_AT

    def _build_later(self, store: Store) -> None:
        builder = self._builders.get(store.id)
        if (builder is None or not builder.is_alive()) and not self._closed.is_set():
            # A daemon: what it makes is a cache, and a server that ends does not wait for it.
            builder = threading.Thread(target=self._build, args=(store.name,), name="index-builder", daemon=True)
            self._builders[store.id] = builder
            builder.start()

    def _build(self, name: str) -> None:
        try:
            self._build_graph(name)
        except (Unavailable, LookupError, MemoryError, RuntimeError) as error:
            _LOG.warning("The index of %r is not built, its passages are searched as before: %s", name, error)

    def _build_graph(self, name: str) -> None:
        with self._database.read() as connection:
            connection.exec_driver_sql("BEGIN")
            store = shelf.find_store(connection, name)
            if store is None:
                return
            rows, vectors = shelf.store_vectors(connection, store)
            connection.rollback()
        built = _built_approximate(rows, vectors, self._sizes, lambda: not self._closed.is_set())
        if built is None:
            return
        if built.recall < self._sizes.least_recall:
            _LOG.warning(
                "An approximate index of %r finds %.3f of what an exact search finds, less than %.3f: "
                "its passages are searched exactly.",
                name,
                built.recall,
                self._sizes.least_recall,
            )
            self._refused.add(store.id)  # until so much has changed that the exact index is built anew
            built = _built_exact(rows, vectors)
        self._swap(store, built)

    def _swap(self, store: Store, built: _Built) -> None:
        """Put an index in the place of the one that serves, with what has changed while it was built."""
        with self._refreshing:
            held = self._snapshots.get(store.id)
            if held is None or held.embedder != store.embedder:
                return
            with self._database.read() as connection:
                connection.exec_driver_sql("BEGIN")
                now = shelf.find_store(connection, store.name)
                if now is None or (now.id, now.embedder) != (store.id, store.embedder):
                    return
                fresh = _Snapshot(store.embedder, now.generation, LiveIndex(built.index.on_gpu()))
                index = self._caught_up(connection, now, fresh)
                connection.rollback()
            self._keep(store, built)
            if index is not None:
                self._snapshots[store.id] = _Snapshot(store.embedder, now.generation, index)


def _built_exact(rows: Rows, vectors: Vectors) -> _Built:
    index = VectorIndex.exact(rows, vectors)
    return _Built(index, 1.0 if index.count <= FLAT_LIMIT else Examination.of(rows, vectors, seed=2).recall(index))


def _built_approximate(
    rows: Rows, vectors: Vectors, sizes: IndexSizes, going_on: Callable[[], bool]
) -> _Built | None:
    index = VectorIndex.approximate(rows, vectors, links=sizes.links, going_on=going_on)
    return None if index is None else _Built(index, fitted(index, rows, vectors, sizes.least_recall))
