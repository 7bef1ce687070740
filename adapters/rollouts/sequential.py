"""A test of two shares that may be looked at after every answer: the mixture sequential probability ratio test.

Johari, Pekelis and Walsh, "Always Valid Inference" (arXiv 1512.04922), for the mean difference of pairs, with
a normal prior of variance tau² on the difference. Written out here because the server loads no scipy.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

LEAST_PAIRS = 30
"""Below, the estimated variance is not to be trusted."""


class Finding(StrEnum):
    """What the test says so far."""

    RUNNING = "running"
    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no_difference"
    """As many pairs as were planned have shown none."""
    VOID = "void"
    """The arms are not as large as planned: something assigns or loses users, and nothing can be read from it."""


def log_ratio(pairs: int, difference: float, variance: float, tau: float) -> float:
    """Return the logarithm of the likelihood ratio of the mixture.

    Λ = √(2σ²/(2σ²+nτ²)) · exp(n²τ²d²/(4σ²(2σ²+nτ²)))

    Args:
        pairs: n.
        difference: d, the mean difference of the pairs.
        variance: σ², of one observation of one arm.
        tau: τ.
    """
    spread = 2 * variance + pairs * tau * tau
    return 0.5 * math.log(2 * variance / spread) + (pairs * tau * difference) ** 2 / (4 * variance * spread)


@dataclass(slots=True)
class SequentialTest:
    """Takes the units' first results as they come, pairs them, and keeps the smallest p that it has seen.

    Attributes:
        alpha: how often a difference may be found where there is none.
        tau: of the prior.
        most: pairs after which it ends.
    """

    alpha: float
    tau: float
    most: int
    pairs: int = 0
    p: float = 1.0
    canary_good: int = 0
    control_good: int = 0
    _waiting: dict[bool, deque[bool]] = field(default_factory=lambda: {True: deque(), False: deque()})
    _found: Finding = Finding.RUNNING

    def add(self, *, canary: bool, good: bool) -> None:
        """Take one unit's result; nothing changes once it has ended."""
        if self._found is not Finding.RUNNING:
            return
        self._waiting[canary].append(good)
        if not self._waiting[not canary]:
            return
        self.canary_good += self._waiting[True].popleft()
        self.control_good += self._waiting[False].popleft()
        self.pairs += 1
        self._look()

    @property
    def difference(self) -> float:
        """How much larger the canary's share of good results is."""
        return (self.canary_good - self.control_good) / self.pairs if self.pairs else 0.0

    @property
    def finding(self) -> Finding:
        """What it says."""
        return self._found

    def _look(self) -> None:
        if self.pairs < LEAST_PAIRS:
            return
        share = (self.canary_good + self.control_good + 1) / (2 * self.pairs + 2)
        ratio = log_ratio(self.pairs, self.difference, share * (1 - share), self.tau)
        self.p = min(self.p, math.exp(-max(ratio, 0.0)))
        if self.p <= self.alpha:
            self._found = Finding.BETTER if self.difference > 0 else Finding.WORSE
        elif self.pairs >= self.most:
            self._found = Finding.NO_DIFFERENCE
