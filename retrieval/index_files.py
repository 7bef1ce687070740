"""One file a store: its index as it was built, so that the next start need not build it. A cache, and no more.

A file counts only if embedder, digest and count agree with the database, since faiss would load a flipped byte
without a word. Knows nothing of what has changed since it was written.
"""

import logging
import threading
from pathlib import Path

from core.database import Database
from core.errors import Unavailable
from retrieval import shelf
from retrieval.index_folder import IndexFolder, digest
from retrieval.shelf import Store
from retrieval.vector_index import VectorIndex

_LOG = logging.getLogger(__name__)


class IndexFiles:
    """The folder of the indexes, and what the database says of its files. Safe for many threads."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = IndexFolder(folder, "faiss")
        self._writing = threading.Lock()
        self._closed = False

    def read(self, store: Store) -> VectorIndex | None:
        """Return the index of a store; None where its file is missing, damaged, or another's."""
        path = self._folder.path(store.id)
        try:
            if store.index_embedder != store.embedder or digest(path) != store.index_sha256:
                return None
            index = VectorIndex.read(path)
        except (OSError, RuntimeError):
            return None
        sound = (index.count, index.dimensions) == (store.index_count, store.dimensions)
        return index if sound else None

    def write(self, store: Store, index: VectorIndex, recall: float) -> None:
        """Save the index of a store as it was when it was built; if that fails, the next start builds it again."""
        with self._writing:
            if self._closed:
                return
            try:
                self._write(store, index, recall)
            except (OSError, RuntimeError, Unavailable) as error:
                _LOG.warning("The index of %r is not saved: %s", store.name, error)

    def drop_gone(self) -> set[int]:
        """Remove the files of stores that are no more; return the numbers of those that are."""
        with self._writing:
            with self._database.read() as connection:
                there = shelf.store_numbers(connection)
            self._folder.keep_only(there)
        return there

    def close(self) -> None:
        """Write no further file; one that is being written is finished first."""
        with self._writing:
            self._closed = True

    def _write(self, store: Store, index: VectorIndex, recall: float) -> None:
        with self._database.read() as connection:
            if store.id not in shelf.store_numbers(connection):
                return  # deleted meanwhile, and its file with it
        with self._folder.replacing(store.id) as beside:
            index.write(beside)
            sha256 = digest(beside)
        with self._database.write() as connection:
            shelf.change_store(
                connection,
                store.id,
                index_sha256=sha256,
                index_count=index.count,
                index_embedder=store.embedder,
                index_kind=index.kind.value,
                index_recall=recall,
            )
