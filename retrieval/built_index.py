"""An index as it was built: of the kind that belongs to the size of its store, and found good. Knows no files."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from retrieval.index_recall import Examination, fitted
from retrieval.records import Vectors
from retrieval.shelf import Store
from retrieval.vector_index import EXACT_LIMIT, FLAT_LIMIT, LINKS, Rows, VectorIndex
from retrieval.word_index import IN_MEMORY

_LOG = logging.getLogger(__name__)
LEAST_RECALL = 0.95


@dataclass(frozen=True, slots=True)
class IndexSizes:
    """Where the kinds of index change.

    Attributes:
        exact: above so many passages a graph is walked, if it finds enough.
        least_recall: recall@10 against an exact search below which an approximate index is not used.
        links: of each passage to its neighbours in the graph.
        in_memory: up to so many passages, their words are kept in memory alone.
    """

    exact: int = EXACT_LIMIT
    least_recall: float = LEAST_RECALL
    links: int = LINKS
    in_memory: int = IN_MEMORY


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """An index of all passages of a store.

    Attributes:
        store: as it was then.
        index: over its passages.
        recall: measures recall@10 against an exact search, which takes a while where it is not known.
    """

    store: Store
    index: VectorIndex
    recall: Callable[[], float]

    @classmethod
    def exact(cls, store: Store, rows: Rows, vectors: Vectors) -> "BuiltIndex":
        """Return an index that scans all of `vectors` (n, d)."""
        index = VectorIndex.exact(rows, vectors)
        if index.count <= FLAT_LIMIT:
            return cls(store, index, lambda: 1.0)
        return cls(store, index, lambda: Examination.of(rows, vectors, seed=2).recall(index))

    @classmethod
    def of(
        cls, store: Store, rows: Rows, vectors: Vectors, sizes: IndexSizes, going_on: Callable[[], bool]
    ) -> "BuiltIndex | None":
        """Return an index of the kind for so many rows; an exact one, too, where a graph finds too little.

        Args:
            store: whose index it is.
            rows: of its passages, ascending.
            vectors: theirs, (n, d).
            sizes: which kind belongs to which size.
            going_on: asked now and then; False ends the work, and None is returned.
        """
        if len(rows) <= sizes.exact:
            return cls.exact(store, rows, vectors)
        index = VectorIndex.approximate(rows, vectors, links=sizes.links, going_on=going_on)
        if index is None:
            return None
        recall = fitted(index, rows, vectors, sizes.least_recall)
        if recall >= sizes.least_recall:
            return cls(store, index, lambda: recall)
        _LOG.warning(
            "An approximate index of %r finds %.3f of what an exact search finds, less than %.3f: "
            "its passages are searched exactly.",
            store.name,
            recall,
            sizes.least_recall,
        )
        return cls.exact(store, rows, vectors)
