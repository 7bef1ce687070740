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


@dataclass(frozen=True, slots=True)
class Examination:
    """Questions and the rows that an exact search in full precision finds for each.

    Attributes:
        questions: unit vectors, (q, d).
        answers: row numbers, (q, 10), or fewer columns where the store has fewer rows.
    """

    questions: Vectors
    answers: Rows

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
        return cls(asked, nearest(asked, rows, vectors, DEPTH))

    def recall(self, index: VectorIndex) -> float:
        """Return the mean share of the answers that the index finds among its first ten."""
        depth = self.answers.shape[1]
        found = sum(
            np.isin(answers, index.search(question, depth).rows).sum()
            for question, answers in zip(self.questions, self.answers, strict=True)
        )
        return float(found) / max(1, self.answers.size)


def nearest(questions: Vectors, rows: Rows, vectors: Vectors, count: int) -> Rows:
    """Return the rows of the `count` largest inner products for each question, by brute force in float32."""
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
    return best_rows


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
