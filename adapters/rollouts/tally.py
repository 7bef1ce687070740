"""What the turns of a rollout came to, arm by arm, and whether that ends it at once. Pure; no statistics."""

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from adapters.rollouts.plan import Arm, HardStops

_TIMED = 50
"""Turns of each arm below which a 95th percentile is but the slowest turn or two."""


class Fault(StrEnum):
    """What the gateway sees to be wrong with an answer."""

    NONE = ""
    ERROR = "error"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    REPEATED = "repeated"


@dataclass(slots=True)
class ArmTally:
    """The last turns of one arm, and how many there were in all."""

    window: int
    turns: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    unsafe: int = 0
    last: deque[tuple[str, float]] = field(init=False)

    def __post_init__(self) -> None:
        self.last = deque(maxlen=self.window)

    def add(self, fault: str, seconds: float) -> None:
        """Count one turn."""
        self.turns += 1
        self.faults[fault] += 1
        self.last.append((fault, seconds))

    def share(self, fault: str) -> float:
        """Return how many of the last turns had a fault, as a share."""
        return sum(one == fault for one, _ in self.last) / len(self.last) if self.last else 0.0

    def p95(self) -> float | None:
        """Return the 95th percentile of the seconds of the last turns that ended well, or None without any."""
        return percentile([seconds for fault, seconds in self.last if fault != Fault.ERROR], 0.95)


class Tally:
    """The arms of one rollout."""

    def __init__(self, stops: HardStops) -> None:
        self._stops = stops
        self.arms = {arm: ArmTally(stops.window) for arm in (Arm.CANARY, Arm.CONTROL, Arm.SHADOW)}

    def reason_to_stop(self) -> str | None:
        """Return why the new version may answer no longer, in words, or None."""
        stops, control = self._stops, self.arms[Arm.CONTROL]
        for arm in (self.arms[Arm.CANARY], self.arms[Arm.SHADOW]):
            if arm.unsafe > stops.unsafe:
                return f"{arm.unsafe} unsafe answers, and at most {stops.unsafe} may be"
            if len(arm.last) < stops.turns:
                continue
            for fault, most in _most(stops):
                beyond = arm.share(fault) - control.share(fault)
                if beyond > most + _chance(arm, control, fault):
                    return (
                        f"{arm.share(fault):.0%} of the last {len(arm.last)} answers: {_WORDS[fault]}; in the "
                        f"control arm {control.share(fault):.0%}, and at most {most:.0%} more may be"
                    )
        return self._too_slow()

    def _too_slow(self) -> str | None:
        stops, canary, control = self._stops, self.arms[Arm.CANARY], self.arms[Arm.CONTROL]
        own, other = canary.p95(), control.p95()
        if min(len(canary.last), len(control.last)) < max(stops.turns, _TIMED) or own is None or not other:
            return None
        if own <= stops.latency * other or own - other <= stops.slower:
            return None
        return (
            f"the 95th percentile is {own:.2f} s, {own / other:.1f} times that of the control arm, and at most "
            f"{stops.latency:g} times may be"
        )


_WORDS = {
    Fault.ERROR: "ended with an error",
    Fault.EMPTY: "were empty",
    Fault.TRUNCATED: "were cut off",
    Fault.REPEATED: "ended in a loop",
}


def _chance(arm: ArmTally, control: ArmTally, fault: str) -> float:
    """Return how far two equal arms differ by chance: two standard errors of the difference of their shares."""
    mine, others = len(arm.last), len(control.last)
    pooled = (arm.share(fault) * mine + control.share(fault) * others) / (mine + others)
    return 2 * math.sqrt(pooled * (1 - pooled) * (1 / mine + (1 / others if others else 0)))


def _most(stops: HardStops) -> Sequence[tuple[Fault, float]]:
    return (
        (Fault.ERROR, stops.errors),
        (Fault.EMPTY, stops.empty),
        (Fault.TRUNCATED, stops.truncated),
        (Fault.REPEATED, stops.repeated),
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that `share` of all do not exceed, or None without any."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
