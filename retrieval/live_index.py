"""An index and what has changed since it was built: rows that are gone, and rows that came. Immutable.

Building an index anew reads all of its store; a change of a document must show at once. Knows rows and vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from retrieval.records import Vectors
from retrieval.vector_index import Hits, IndexKind, Rows, Selection, VectorIndex, among

REBUILT_AT = 0.15
"""Share of rows that are gone or came since the index was built, above which it is built anew."""

_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class _Part:
    """An index without those of its rows that are gone."""

    index: VectorIndex
    gone: Rows = field(default_factory=lambda: _NO_ROWS)
    living: Selection | None = None

    @property
    def rows(self) -> Rows:
        return np.setdiff1d(self.index.rows, self.gone, assume_unique=True)

    @property
    def count(self) -> int:
        return self.index.count - len(self.gone)

    def without(self, rows: Rows) -> "_Part":
        here = rows[among(rows, self.index.rows)]
        if not len(here):
            return self
        gone = np.union1d(self.gone, here)
        return _Part(self.index, gone, Selection(gone, but=True))

    def search(self, query: Vectors, count: int, wanted: Rows | None) -> Hits:
        if wanted is None:
            return self.index.search(query, count, self.living)
        return self.index.search(query, count, np.setdiff1d(wanted, self.gone))


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """An index, without those of its rows that are gone, and small exact ones over those that came.

    Those are joined as they grow, so that many small changes cost little more than the rows they bring.
    """

    _base: _Part
    _added: tuple[_Part, ...] = ()

    @classmethod
    def over(cls, base: VectorIndex) -> "LiveIndex":
        """Return `base` as it was built."""
        return cls(_Part(base))

    def without(self, gone: Rows) -> "LiveIndex":
        """Return the index without some rows, of which it need not hold each."""
        if not len(gone):
            return self
        added = tuple(part for part in (part.without(gone) for part in self._added) if part.count)
        return LiveIndex(self._base.without(gone), added)

    def grown(self, came: Rows, vectors: Vectors) -> "LiveIndex":
        """Return the index with rows that came, never one that was gone; `vectors` (n, d) are theirs."""
        if not len(came):
            return self
        added = list(self._added)
        added.append(_joined(added, came, vectors))
        return LiveIndex(self._base, tuple(added))

    @property
    def base(self) -> VectorIndex:
        """The index that the changes are laid over."""
        return self._base.index

    @property
    def rows(self) -> Rows:
        """All rows that can be found, in no order."""
        return np.concatenate([part.rows for part in self._parts])

    @property
    def latest(self) -> int:
        """The highest row of all that it holds; 0 where it holds none."""
        return max((int(part.index.rows[-1]) for part in self._parts if part.index.count), default=0)

    @property
    def count(self) -> int:
        """How many vectors can be found."""
        return sum(part.count for part in self._parts)

    @property
    def changed(self) -> float:
        """Share of the rows that are gone or came since the base was built."""
        came = sum(part.index.count for part in self._added)
        gone = sum(len(part.gone) for part in self._parts)
        return (gone + came) / max(1, self.base.count)

    def search(self, query: Vectors, count: int, allowed: Sequence[int] | Rows | None = None) -> list[int]:
        """Return the rows nearest to the unit vector `query`, nearest first.

        Args:
            query: (d,), of unit length.
            count: how many at most.
            allowed: if given, only these rows, and exactly the nearest of them.
        """
        wanted = None if allowed is None else np.asarray(allowed, np.int64)
        found = [part.search(query, count, wanted) for part in self._parts]
        rows = np.concatenate([hits.rows for hits in found])
        scores = np.concatenate([hits.scores for hits in found])
        return [int(row) for row in rows[np.argsort(-scores, kind="stable")[:count]]]

    @property
    def _parts(self) -> tuple[_Part, ...]:
        return (self._base, *self._added)


def _joined(added: list[_Part], rows: Rows, vectors: Vectors) -> _Part:
    """Return rows that came as one part with the latest ones of `added`, which are taken off the list.

    A part is joined while it is no larger than twice the rest, so that each vector is copied a few times only. One
    of eight bits a component stays as it is: it no longer has its vectors.
    """
    while added and added[-1].index.kind is IndexKind.FLAT and added[-1].count <= 2 * len(rows):
        earlier = added.pop()
        living = np.isin(earlier.index.rows, earlier.gone, assume_unique=True, invert=True)
        rows = np.concatenate([earlier.index.rows[living], rows])
        vectors = np.concatenate([earlier.index.vectors[living], vectors])
    order = np.argsort(rows, kind="stable")
    return _Part(VectorIndex.exact(rows[order], vectors[order]))
