"""One FAISS index a store, kept in memory and as a file. Both are caches: the database is the truth.

A file counts only if generation, embedder, digest and count agree with the database, since faiss would load
a flipped byte without a word. Everything else is built again from the stored vectors.
"""

import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from core.database import Database
from core.errors import NotFound, Unavailable
from retrieval import shelf
from retrieval.shelf import Store
from retrieval.vector_index import VectorIndex, digest

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    embedder: str
    generation: int
    index: VectorIndex


class IndexCache:
    """Hands out immutable indexes; a refresh puts a new one in the place of the old.

    A search that runs meanwhile keeps the index that it began with.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._snapshots: dict[int, _Snapshot] = {}
        self._refreshing = threading.Lock()
        self._sweep()

    def get(self, store: Store) -> VectorIndex:
        """Return the index of a store, which may be as old as the last `refresh`."""
        snapshot = self._snapshots.get(store.id)
        # A folder's index is refreshed by its sync; that of a store of uploads, whose files come and go one by
        # one and must be found once they are said to be completed, by the first search that needs it.
        stale = snapshot is not None and store.id < 0 and snapshot.generation != store.generation
        if snapshot is None or snapshot.embedder != store.embedder or stale:
            return self.refresh(store.name)
        return snapshot.index

    def refresh(self, name: str) -> VectorIndex:
        """Bring memory and file up to the store's present generation."""
        with self._refreshing:
            with self._database.read() as connection:
                # One transaction, so that generation and vectors belong to each other.
                connection.exec_driver_sql("BEGIN")
                store = shelf.find_store(connection, name)
                if store is None:
                    raise NotFound(f"The knowledge store {name!r} is gone.")
                held = self._snapshots.get(store.id)
                if held and (held.embedder, held.generation) == (store.embedder, store.generation):
                    return held.index
                index = self._load(store)
                built = None
                if index is None:
                    index = built = VectorIndex.build(*shelf.store_vectors(connection, store))
                connection.rollback()
            if built is not None:
                self._keep(store, built)
            self._snapshots[store.id] = _Snapshot(store.embedder, store.generation, index)
            return index

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

    def _load(self, store: Store) -> VectorIndex | None:
        if store.index_generation != store.generation:
            return None
        try:
            content = self.path(store).read_bytes()
        except OSError:
            return None
        if digest(content) != store.index_sha256:
            return None
        index = VectorIndex.from_bytes(content)
        return index if (index.count, index.dimensions) == (store.index_count, store.dimensions) else None

    def _keep(self, store: Store, index: VectorIndex) -> None:
        """Save an index; without its file it is only built again after the next start."""
        try:
            self._save(store, index)
        except (OSError, Unavailable) as error:
            _LOG.warning("The index of %r is not saved: %s", store.name, error)

    def _save(self, store: Store, index: VectorIndex) -> None:
        content = index.to_bytes()
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = self.path(store).with_suffix(f".{os.getpid()}.tmp")
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(self.path(store))
        with self._database.write() as connection:
            shelf.change_store(
                connection,
                store.id,
                index_generation=store.generation,
                index_sha256=digest(content),
                index_count=index.count,
            )
