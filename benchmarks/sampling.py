"""What a few samples say: medians, paired ratios, and how sure they are."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def paired_ratio(ones: Sequence[float], others: Sequence[float]) -> Estimate:
    """Return the geometric mean of `one / other` over the rounds, with a percentile bootstrap over rounds."""
    logs = [math.log(one / other) for one, other in zip(ones, others, strict=True)]
    chance = random.Random(7)
    means = sorted(statistics.fmean(chance.choices(logs, k=len(logs))) for _ in range(_RESAMPLES))
    low, high = means[int(0.025 * _RESAMPLES)], means[int(0.975 * _RESAMPLES)]
    return Estimate(math.exp(statistics.fmean(logs)), math.exp(low), math.exp(high))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
