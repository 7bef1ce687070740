"""Whether two arms are as large as planned: Pearson's chi-square with one degree of freedom."""

import math

ALARM = 0.001
"""Below this p the result of a rollout is void."""


def ratio_p(canary: int, control: int) -> float:
    """Return the probability of arms at least as unequal as these, where each was to have half of the units."""
    total = canary + control
    if not total:
        return 1.0
    # (o-e)²/e over both arms, e = total/2; the survival function for one degree of freedom is erfc(√(x/2)).
    return math.erfc(math.sqrt((canary - control) ** 2 / total / 2))


def is_void(canary: int, control: int) -> bool:
    """Tell whether the arms differ more in size than chance does."""
    return ratio_p(canary, control) < ALARM
