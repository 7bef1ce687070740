"""What the turns of a rollout came to, arm by arm, and whether that ends it at once. Pure; no statistics."""

import math
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from adapters.rollouts.plan import SHADOW, Arm, HardStops

_TIMED = 50
"""Turns of each arm below which a 95th percentile is but the slowest turn or two."""


class Fault(StrEnum):
    """What the gateway sees to be wrong with an answer."""

    NONE = ""
    ERROR = "error"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    REPEATED = "repeated"
    ABANDONED = "abandoned"
    """Nobody waited for its end, so that its seconds are the least it would have taken; nothing else is known."""


@dataclass(slots=True)
class ArmTally:
    """The last turns of one arm, and how many there were in all.

    Attributes:
        window: how many turns shares are of.
        turns: how many have ended.
        faults: how many had which fault.
        unsafe: answers that somebody said were unsafe.
        timed: how many have told a time.
        last: the faults of the last turns.
        times: the seconds of the last ones that told a time: those that ended without an error, or were given up.
    """

    window: int
    turns: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    unsafe: int = 0
    timed: int = 0
    last: deque[str] = field(init=False)
    times: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        self.last, self.times = deque(maxlen=self.window), deque(maxlen=max(self.window, _TIMED))

    def add(self, fault: Fault, seconds: float, *, recent: bool = True) -> None:
        """Count one turn; one that is not `recent` counts only in the sums."""
        self.faults[fault] += 1
        ended = fault is not Fault.ABANDONED
        self.turns += ended
        if recent and ended:
            self.last.append(fault)
        if recent and fault is not Fault.ERROR:
            self.timed += 1
            self.times.append(seconds)

    def forget(self) -> None:
        """Look at no turn before this moment any more; the sums stay."""
        self.last.clear()
        self.times.clear()
        self.timed = 0

    def share(self, fault: str) -> float:
        """Return how many of the last turns had a fault, as a share."""
        return self.last.count(fault) / len(self.last) if self.last else 0.0

    def p95(self) -> float | None:
        """Return the 95th percentile of the seconds of the last turns that told a time, or None without any."""
        return percentile(self.times, 0.95)


class Tally:
    """The arms of one rollout."""

    def __init__(self, stops: HardStops) -> None:
        self._stops = stops
        self.arms = {arm: ArmTally(stops.window) for arm in (Arm.CANARY, Arm.CONTROL, Arm.SHADOW)}
        self._shown = False

    def add(self, arm: Arm, fault: Fault, seconds: float, *, stage: str) -> None:
        """Count one turn.

        In the shadow everybody is in the control arm; with the first turn after it that arm begins anew, for the
        canary is to be compared with what happens at the same time.
        """
        if stage != SHADOW and not self._shown:
            self._shown = True
            self.arms[Arm.CONTROL].forget()
        self.arms[arm].add(fault, seconds, recent=stage != SHADOW or not self._shown)

    def outlasts(self, arm: Arm, seconds: float) -> bool:
        """Tell whether a turn that was given up after so long says something of how slow its arm is.

        Only one that lasted as long as nearly all others does: a user who leaves early is no sign of speed.
        """
        own, other = self.arms[arm].p95(), self.arms[Arm.CONTROL].p95()
        return other is not None and seconds >= max(other, own or 0.0)

    def reason_to_stop(self) -> str | None:
        """Return why the new version may answer no longer, in words, or None."""
        stops, control = self._stops, self.arms[Arm.CONTROL]
        for which in (Arm.CANARY, Arm.SHADOW):
            arm = self.arms[which]
            if arm.unsafe > stops.unsafe:
                return f"{arm.unsafe} unsafe answers, and at most {stops.unsafe} may be"
            if arm.turns < stops.turns or (which is Arm.SHADOW and self._shown):
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
        if min(canary.timed, control.timed) < max(stops.turns, _TIMED):
            return None
        own, other = canary.p95(), control.p95()
        if own is None or not other:
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


def percentile(values: Collection[float], share: float) -> float | None:
    """Return the smallest value that `share` of all do not exceed, or None without any."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
