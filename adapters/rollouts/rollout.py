"""One rollout as it stands, and what has been done with it."""

from dataclasses import dataclass
from enum import StrEnum

from adapters.rollouts.plan import Plan, share


class Ending(StrEnum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    STOPPED = "stopped"
    """By a person."""
    BROKEN_OFF = "broken_off"
    """By itself: a hard stop, or a test that says it is worse."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A version on its way to users.

    Attributes:
        version: of the adapter, that is tried.
        baseline: its version in production, beside which it is tried.
        stage: one of `STAGES`.
        paused: nobody is answered by the new version for now; nobody's arm changes.
        salt: what makes its hashes its own.
        outcome: how it ended, or None.
    """

    id: str
    adapter: str
    version: int
    baseline: int
    stage: str
    paused: bool
    salt: str
    plan: Plan
    outcome: Ending | None
    started_at: float
    ended_at: float | None

    @property
    def candidate(self) -> str:
        """Engine name of the version that is tried."""
        return f"{self.adapter}@{self.version}"

    @property
    def current(self) -> str:
        """Engine name of the version beside which it is tried."""
        return f"{self.adapter}@{self.baseline}"

    @property
    def share(self) -> float:
        """Share of users whom the new version answers now."""
        return 0.0 if self.paused or self.ended_at is not None else share(self.stage)


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """One thing that was done with a rollout."""

    did: str
    stage: str
    by: str
    reason: str
    at: float
