"""What the command line reads of the server's answers about rollouts."""

import time

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Rollout(_Answer):
    """A rollout as it stands."""

    id: str
    adapter: str
    version: int
    baseline: int
    state: str
    stage: str
    next: str | None = None

    @property
    def candidate(self) -> str:
        """The version that is tried."""
        return f"{self.adapter}@{self.version}"

    @property
    def current(self) -> str:
        """The version beside which it is tried."""
        return f"{self.adapter}@{self.baseline}"

    @property
    def told(self) -> str:
        """How it stands, in words."""
        stands = {
            "promoted": f"{self.candidate} is in production.",
            "stopped": f"{self.current} answers everyone again.",
            "broken_off": f"{self.current} answers everyone again.",
            "paused": f"{self.current} answers everyone until it is resumed.",
        }
        if self.state in stands:
            return stands[self.state]
        if self.stage == "shadow":
            return f"{self.candidate} answers in the shadow of {self.current}."
        return f"{self.candidate} answers {self.stage} % of the users."


class Arm(_Answer):
    """What one arm came to."""

    units: int
    turns: int
    faults: dict[str, int]
    unsafe: int
    good: int
    bad: int
    p95_seconds: float | None

    @property
    def told(self) -> str:
        """The faults, in words."""
        return ", ".join(f"{count} {fault}" for fault, count in self.faults.items() if count) or "none"

    @property
    def share(self) -> str:
        """How many outcomes were good."""
        return f"{self.good} of {self.good + self.bad}" if self.good + self.bad else ""

    @property
    def p95(self) -> str:
        """The 95th percentile of seconds."""
        return "" if self.p95_seconds is None else f"{self.p95_seconds:.2f}"


class Test(_Answer):
    """The state of the test."""

    finding: str
    p: float
    difference: float
    pairs: int
    most: int
    ratio_p: float

    def told(self, alpha: float) -> str:
        """Say it in words."""
        return (
            f"{self.finding.replace('_', ' ')} after {self.pairs} of at most {self.most} pairs: difference "
            f"{self.difference:+.1%}, p {self.p:.3g} (alpha {alpha:g}), sizes of the arms p {self.ratio_p:.3g}"
        )


class Step(_Answer):
    """One thing that was done."""

    did: str
    stage: str
    by: str
    reason: str
    at: float

    @property
    def when(self) -> str:
        """The time of it."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.at))


class Whole(Rollout):
    """A rollout with all that is known of it."""

    plan: dict[str, object]
    arms: dict[str, Arm]
    test: Test
    similarity: float | None
    unasked: int
    steps: list[Step]

    @property
    def alpha(self) -> float:
        """How often the test may see what is not there."""
        return float(str(self.plan["alpha"]))
