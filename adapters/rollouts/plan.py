"""What a rollout does and when it stops by itself: stages in their order, and the numbers that a person sets."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from core.errors import InvalidRequest

SHADOW, PRODUCTION = "shadow", "production"
CANARY = ("1", "5", "25", "50", "100")
STAGES = (SHADOW, *CANARY, PRODUCTION)
"""In their order; a number is the share of users, in percent, whom the new version answers."""

Unit = Literal["user", "conversation"]
Metric = Literal["faults", "outcome"]


class Arm(StrEnum):
    """Where an answer comes from, as far as rollouts go."""

    PRODUCTION = "production"
    """The version in production; not compared."""
    CONTROL = "control"
    """The version in production, for as many users as the new one has, to compare with."""
    CANARY = "canary"
    """The new version, shown."""
    SHADOW = "shadow"
    """The new version, not shown."""


@dataclass(frozen=True, slots=True)
class HardStops:
    """What ends a rollout at once, without statistics.

    Shares count only as far as they go beyond those of the control arm, so that an engine in trouble does not
    speak against a version.

    Attributes:
        turns: how many turns of the new version are seen before shares and times count.
        window: of how many of its last turns they are shares; it may be smaller than `turns`.
        errors: most turns that end with an error, as a share.
        empty: most answers without a word or a call.
        truncated: most answers that are cut off at their longest.
        repeated: most answers that end in a loop.
        latency: most that the 95th percentile of seconds may be of the control arm's, as a factor.
        slower: how many seconds slower it must be, too: twice of next to nothing is nothing.
        unsafe: how many answers may be unsafe.
    """

    turns: int = 20
    window: int = 200
    errors: float = 0.05
    empty: float = 0.05
    truncated: float = 0.10
    repeated: float = 0.05
    latency: float = 2.0
    slower: float = 0.5
    unsafe: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a rollout goes.

    Attributes:
        unit: who stays with a version: an end user where the client names one, else a conversation.
        metric: what is compared: answers without a fault, or what `outcomes` say.
        alpha: how often the test may see a difference where there is none, however often it is looked at.
        tau: the size of difference that it looks for first (standard deviation of the prior).
        most: pairs of units after which the test ends without a difference.
        stops: what ends it at once.
    """

    unit: Unit = "user"
    metric: Metric = "faults"
    alpha: float = 0.05
    tau: float = 0.1
    most: int = 10_000
    stops: HardStops = HardStops()

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return asdict(self)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Plan":
        """Return what `as_json` kept."""
        return cls(**{**kept, "stops": HardStops(**kept["stops"])})


def share(stage: str) -> float:
    """Return the share of users whom the new version answers at a stage."""
    return int(stage) / 100 if stage in CANARY else 0.0


def after(stage: str) -> str:
    """Return the next stage."""
    return STAGES[min(STAGES.index(stage) + 1, len(STAGES) - 1)]


def check_stage(stage: str) -> str:
    """Return `stage` if there is one of that name.

    Raises:
        InvalidRequest: there is none.
    """
    if stage not in STAGES:
        raise InvalidRequest(
            f"{stage!r} is no stage of a rollout. Say one of {', '.join(STAGES)}.",
            code="invalid_value",
            param="to",
        )
    return stage
