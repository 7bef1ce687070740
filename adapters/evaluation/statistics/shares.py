"""One share of right answers against a bar: Wilson's interval, and the test that goes with it."""

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
