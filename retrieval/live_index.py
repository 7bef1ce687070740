"""An index and what has changed since it was built: rows that are gone, and rows that came. Immutable.

Building a large index takes minutes, a change of a document must show at once. Knows rows and vectors only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.records import Vectors
from retrieval.vector_index import Rows, Selection, VectorIndex

REBUILT_AT = 0.15
"""Share of rows that are gone or came since the index was built, above which it is built anew."""


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """An index, without those of its rows that are gone, and an exact one over those that came."""

    base: VectorIndex
    added: VectorIndex | None = None
    _gone: Rows | None = None
    _living: Selection | None = None

    @classmethod
    def over(cls, base: VectorIndex, gone: Rows, added: VectorIndex | None) -> "LiveIndex":
        """Return `base` without the rows `gone`, and with `added`."""
        if not len(gone):
            return cls(base, added)
        return cls(base, added, gone, Selection(gone, but=True))

    @property
    def count(self) -> int:
        """How many vectors can be found."""
        gone = 0 if self._gone is None else len(self._gone)
        return self.base.count - gone + (self.added.count if self.added else 0)

    @property
    def changed(self) -> float:
        """Share of the rows that are gone or came since the base was built."""
        gone = 0 if self._gone is None else len(self._gone)
        came = self.added.count if self.added else 0
        return (gone + came) / max(1, self.base.count)

    def search(self, query: Vectors, count: int, allowed: Sequence[int] | Rows | None = None) -> list[int]:
        """Return the rows nearest to the unit vector `query`, nearest first.

        Args:
            query: (d,), of unit length.
            count: how many at most.
            allowed: if given, only these rows, and exactly the nearest of them.
        """
        wanted = None if allowed is None else np.asarray(allowed, np.int64)
        if wanted is None:
            living: Rows | Selection | None = self._living
        else:
            living = wanted if self._gone is None else np.setdiff1d(wanted, self._gone)
        found = [self.base.search(query, count, living)]
        if self.added is not None:
            found.append(self.added.search(query, count, wanted))
        rows = np.concatenate([hits.rows for hits in found])
        scores = np.concatenate([hits.scores for hits in found])
        return [int(row) for row in rows[np.argsort(-scores, kind="stable")[:count]]]
