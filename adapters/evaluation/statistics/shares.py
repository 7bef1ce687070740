"""Shares of right answers: one against a bar, and two on the same cases with a margin between them."""

import math
from statistics import NormalDist

from adapters.evaluation.statistics.paired import Interval

_NORMAL = NormalDist()


def wilson(right: float, count: int, alpha: float = 0.05) -> Interval:
    """Return the score interval of a share (Wilson 1927), which never leaves 0 and 1.

    Args:
        right: how many were right.
        count: how many there were.
        alpha: chance that the interval misses the truth.
    """
    if count == 0:
        return Interval(0.0, 1.0)
    z, share = _NORMAL.inv_cdf(1 - alpha / 2), right / count
    middle = share + z * z / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    low = 0.0 if right == 0 else max(0.0, (middle - reach) / scale)
    high = 1.0 if right == count else min(1.0, (middle + reach) / scale)
    return Interval(low, high)


def share_p_value(right: float, count: int, bar: float) -> float:
    """Return the two-sided p-value of the score test that Wilson's interval inverts."""
    if count == 0:
        return 1.0
    if bar <= 0 or bar >= 1:
        return 1.0 if right / count == bar else 0.0
    z = (right / count - bar) / math.sqrt(bar * (1 - bar) / count)
    return min(1.0, 2 * _NORMAL.cdf(-abs(z)))


def paired_p_value(only_ours: int, only_theirs: int, count: int, bar: float) -> float:
    """Return the two-sided p-value of the difference of two shares of the same cases being `bar`.

    Agresti and Min 2005: Wald's test with half a case more in each cell of the table, which does not take two
    versions for equal beyond doubt where they happen not to differ.

    Args:
        only_ours: cases that only we got right.
        only_theirs: cases that only they got right.
        count: all cases.
        bar: ours minus theirs.
    """
    difference, error = _paired(only_ours, only_theirs, count)
    return min(1.0, 2 * _NORMAL.cdf(-abs(difference - bar) / error))


def paired_interval(only_ours: int, only_theirs: int, count: int, alpha: float = 0.05) -> Interval:
    """Return the interval that goes with `paired_p_value`."""
    difference, error = _paired(only_ours, only_theirs, count)
    reach = _NORMAL.inv_cdf(1 - alpha / 2) * error
    return Interval(max(-1.0, difference - reach), min(1.0, difference + reach))


def _paired(only_ours: int, only_theirs: int, count: int) -> tuple[float, float]:
    """Return the difference with its standard error."""
    ours, theirs, cases = only_ours + 0.5, only_theirs + 0.5, count + 2
    difference = (ours - theirs) / cases
    return difference, math.sqrt(ours + theirs - (ours - theirs) ** 2 / cases) / cases
