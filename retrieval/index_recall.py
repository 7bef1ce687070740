"""How much of what an exact search finds an index finds, asked of the vectors that it was built from.

Pure numbers over one index; knows neither stores nor files.
"""

from dataclasses import dataclass

import numpy as np

from retrieval.records import Vectors
from retrieval.vector_index import WIDEST, Rows, VectorIndex

DEPTH = 10
QUESTIONS = 200
_NARROWEST = 32
_BLOCK = 20_000
_ALIKE = 1e-5
"""Difference of inner products that is rounding alone."""


@dataclass(frozen=True, slots=True)
class Examination:
    """Questions, and how good the passages are that an exact search in full precision finds for each.

    Attributes:
        questions: unit vectors, (q, d).
        least: the inner product of the last of these passages, (q,).
        depth: how many they are: 10, or fewer where the store has fewer.
        rows: row numbers of the store, ascending, (n,).
        vectors: theirs, (n, d).
    """

    questions: Vectors
    least: Vectors
    depth: int
    rows: Rows
    vectors: Vectors

    @classmethod
    def of(cls, rows: Rows, vectors: Vectors, seed: int, questions: int = QUESTIONS) -> "Examination":
        """Draw questions from a store.

        Each is one of its vectors, moved by the difference of two others: about as near to its passage (a cosine
        of .7) as people's questions are, and within the room that the store's vectors take up.
        """
        chance = np.random.default_rng(seed)
        drawn = [vectors[chance.integers(0, len(vectors), questions)].astype(np.float32) for _ in range(3)]
        moved = drawn[1] - drawn[2]
        asked = drawn[0] + moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
        asked /= np.maximum(np.linalg.norm(asked, axis=1, keepdims=True), 1e-6)
        scores, best = _best(asked, rows, vectors, DEPTH)
        return cls(asked, scores.min(axis=1), best.shape[1], rows, vectors)

    def recall(self, index: VectorIndex) -> float:
        """Return the mean share of the first ten found that are as good as an exact search's.

        Where passages are alike, one is as good as the other, as in ann-benchmarks' recall by distance.
        """
        good = sum(
            int((self._scores(question, index) >= least - _ALIKE).sum())
            for question, least in zip(self.questions, self.least, strict=True)
        )
        return good / max(1, self.depth * len(self.questions))

    def _scores(self, question: Vectors, index: VectorIndex) -> Vectors:
        found = np.searchsorted(self.rows, index.search(question, self.depth).rows)
        scores: Vectors = self.vectors[found].astype(np.float32) @ question
        return scores


def nearest(questions: Vectors, rows: Rows, vectors: Vectors, count: int) -> Rows:
    """Return the rows of the `count` largest inner products for each question, by brute force in float32."""
    return _best(questions, rows, vectors, count)[1]


def _best(questions: Vectors, rows: Rows, vectors: Vectors, count: int) -> tuple[Vectors, Rows]:
    count = min(count, len(rows))
    best_scores = np.empty((len(questions), 0), np.float32)
    best_rows = np.empty((len(questions), 0), np.int64)
    for first in range(0, len(rows), _BLOCK):
        scores = questions @ vectors[first : first + _BLOCK].T
        here = np.broadcast_to(rows[first : first + _BLOCK], scores.shape)
        best_scores, best_rows = np.hstack([best_scores, scores]), np.hstack([best_rows, here])
        if best_scores.shape[1] > count:
            top = np.argpartition(-best_scores, count - 1, axis=1)[:, :count]
            best_scores = np.take_along_axis(best_scores, top, axis=1)
            best_rows = np.take_along_axis(best_rows, top, axis=1)
    return best_scores, best_rows


def fitted(index: VectorIndex, rows: Rows, vectors: Vectors, least: float) -> float:
    """Let an approximate index keep as many candidates as it needs, and return the recall that it then has.

    The width is chosen on one examination, for half of what is missing between `least` and 1; another judges it.
    """
    training = Examination.of(rows, vectors, seed=1)
    aim = (1 + least) / 2
    width = _NARROWEST
    index.widen(width)
    while training.recall(index) < aim and width < WIDEST:
        width *= 2
        index.widen(width)
    return Examination.of(rows, vectors, seed=2).recall(index)
