"""The words of a store as they are now: an index as it was saved, one of what came since, and what is gone.

Immutable. Writing a large index takes a while, a change of a document must show at once. Knows rows and words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from retrieval.vector_index import Rows, among
from retrieval.word_index import PassageWords, WordHits, WordIndex

_NO_ROWS: Rows = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class LiveWords:
    """One index or two, and what is not to be found in them.

    Attributes:
        saved: as it was written; None while the store is small enough to be kept in memory alone.
        came: what is in memory alone.
        gone: rows that the indexes still hold, ascending.
    """

    saved: WordIndex | None = None
    came: WordIndex | None = None
    gone: Rows = field(default_factory=lambda: _NO_ROWS)

    @property
    def rows(self) -> Rows:
        """All rows that can be found, ascending."""
        held = np.concatenate([_NO_ROWS, *(index.rows for index in self._indexes)])
        return np.setdiff1d(held, self.gone, assume_unique=True)

    @property
    def count(self) -> int:
        """How many passages can be found."""
        return sum(index.count for index in self._indexes) - len(self.gone)

    @property
    def latest(self) -> int:
        """The highest row of all that it holds; 0 where it holds none."""
        return max((int(index.rows[-1]) for index in self._indexes if index.count), default=0)

    @property
    def changed(self) -> float:
        """Share of what is gone, and of what came since the saved index was written."""
        came = self.came.count if self.saved and self.came else 0
        return (len(self.gone) + came) / max(1, self.count)

    def without(self, gone: Rows) -> "LiveWords":
        """Return the words without those of some passages, of which it need not hold each."""
        here = np.concatenate([_NO_ROWS, *(gone[among(gone, index.rows)] for index in self._indexes)])
        return replace(self, gone=np.union1d(self.gone, here)) if len(here) else self

    def grown(self, passages: Iterable[PassageWords]) -> "LiveWords":
        """Return the words with those of passages that came, whose rows are all above `latest`."""
        return replace(self, came=self.came.grown(passages) if self.came else WordIndex.in_memory(passages))

    def frequency(self, token: str) -> int:
        """Return how many passages hold a token, those that are gone included."""
        return sum(index.frequency(token) for index in self._indexes)

    def search(self, weights: dict[str, float], count: int, allowed: Rows | None = None) -> WordHits:
        """Return the best passages, best first.

        Args:
            weights: token → its weight.
            count: how many at most.
            allowed: if given, nothing else is found; ascending.
        """
        barred = self.gone if len(self.gone) else None
        return best([index.search(weights, count, allowed, barred) for index in self._indexes], count)

    def holders(self, phrase: Sequence[str], count: int) -> Rows:
        """Return passages that hold tokens one after the other: all of them if they are fewer than `count`."""
        found = [index.holders(phrase, count + len(self.gone)) for index in self._indexes]
        return np.setdiff1d(np.concatenate([_NO_ROWS, *found]), self.gone)[:count]

    @property
    def _indexes(self) -> list[WordIndex]:
        return [index for index in (self.saved, self.came) if index is not None]


def best(found: Sequence[WordHits], count: int) -> WordHits:
    """Return the best of several lists of hits, best first."""
    if len(found) == 1:
        return found[0]
    rows = np.concatenate([_NO_ROWS, *(hits.rows for hits in found)])
    scores = np.concatenate([np.empty(0), *(hits.scores for hits in found)])
    order = np.argsort(-scores, kind="stable")[:count]
    return WordHits(rows[order], scores[order])
