"""Two versions on the same items: McNemar's exact test, the paired bootstrap, and Holm over many of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Combine = Callable[[Array], Array]
"""Makes a metric of summed statistics: one row of sums in, one value out, for many rows at once."""

RESAMPLES = 10_000
_CELLS = 2_000_000  # of one block of draws, so that memory stays small


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends of an interval."""

    low: float
    high: float


@dataclass(slots=True)
class Draws:
    """The same resamples of items for every metric and every version, so that differences stay paired.

    Items of one group are drawn together (Efron and Tibshirani 1993, chapter 13; for related rows the group is
    the unit).

    Args:
        groups: for each item, the number of its group, from 0 without gaps.
        seed: the same seed gives the same draws.
        resamples: how many.
    """

    groups: Sequence[int]
    seed: int = 0
    resamples: int = RESAMPLES
    _count: int = field(init=False)

    def __post_init__(self) -> None:
        self._count = max(self.groups, default=-1) + 1

    def sums(self, rows: Array) -> Array:
        """Return the summed statistics of each resample, from those of each item."""
        by_group = np.zeros((self._count, rows.shape[1]))
        np.add.at(by_group, np.asarray(self.groups, dtype=int), rows)
        return np.concatenate([drawn @ by_group for drawn in self._blocks()])

    def _blocks(self) -> Iterator[Array]:
        random, left = np.random.default_rng(self.seed), self.resamples
        while left:
            size = min(left, max(1, _CELLS // self._count))
            yield random.multinomial(self._count, np.full(self._count, 1 / self._count), size).astype(float)
            left -= size


def interval_of(values: Array, alpha: float = 0.05) -> Interval:
    """Return the percentile interval of resampled values."""
    low, high = np.nanquantile(values, [alpha / 2, 1 - alpha / 2])
    return Interval(float(low), float(high))


def bootstrap_p_value(against: int, resamples: int) -> float:
    """Return the two-sided p-value of a claim that `against` of the resamples speak against.

    Davison and Hinkley 1997, 4.2: the sample itself counts as one more.
    """
    return min(1.0, 2 * (1 + against) / (1 + resamples))


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Args:
        only_ours: items that only we got right.
        only_theirs: items that only they got right.
    """
    total, fewer = only_ours + only_theirs, min(only_ours, only_theirs)
    tail: float = sum(math.comb(total, count) for count in range(fewer + 1)) / 2**total
    return min(1.0, 2 * tail)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that many tests may be judged by together (Holm 1979); their order is kept."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
