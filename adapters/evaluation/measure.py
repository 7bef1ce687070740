"""What a grader measures: statistics of each answer that may be summed, and how their sums become a figure.

A mean, macro-F1 and BLEU all have this form, so one bootstrap serves them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapters.evaluation.statistics.paired import Array, Combine


def mean(sums: Array) -> Array:
    """Make a mean of rows of (sum, count)."""
    counts = sums[:, 1]
    means: Array = np.divide(sums[:, 0], counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric over answers, in the order of the cases that were graded.

    Attributes:
        name: such as `exact`, or `label.macro_f1`.
        rows: statistics of each answer.
        combine: makes the figure of their sums.
        scores: what each answer is told to have, between 0 and 1 or in the metric's own unit.
        lower_is_better: such as seconds.
        binary: whether every score is 0 or 1, so that exact tests apply.
        notes: for each answer, why it has its score; empty where there is nothing to say.
        signature: how the figure was computed, where there are variants.
    """

    name: str
    rows: Array
    combine: Combine
    scores: tuple[float, ...]
    lower_is_better: bool = False
    binary: bool = False
    notes: tuple[str, ...] = ()
    signature: str = ""

    @property
    def value(self) -> float:
        """The figure over all answers."""
        return float(self.combine(self.rows.sum(axis=0, keepdims=True))[0])


def share(name: str, verdicts: Sequence[tuple[bool, str]]) -> Measured:
    """Return the share of answers that are right, of pairs (right, why not)."""
    scores = tuple(float(right) for right, _ in verdicts)
    notes = tuple("" if right else note for right, note in verdicts)
    return Measured(name, _counted(scores), mean, scores, binary=True, notes=notes)


def average(
    name: str, scores: Sequence[float], *, lower_is_better: bool = False, notes: Sequence[str] = ()
) -> Measured:
    """Return the mean of scores."""
    kept = tuple(float(score) for score in scores)
    return Measured(name, _counted(kept), mean, kept, lower_is_better, notes=tuple(notes))


def _counted(scores: Sequence[float]) -> Array:
    return np.column_stack([np.asarray(scores, dtype=float), np.ones(len(scores))])
