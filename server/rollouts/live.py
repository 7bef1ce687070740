"""The rollouts that are under way, in memory: a turn asks here, and never the database, who answers it."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from adapters.rollouts.assignment import arm_of, drawn
from adapters.rollouts.course import Course
from adapters.rollouts.plan import SHADOW, Arm
from adapters.rollouts.rollout import Rollout
from server.engine_port import Answering, Who

_MOST_CONVERSATIONS = 20_000
IDLE_SECONDS = 3600.0
"""After that long without a turn, a conversation may go on with another version."""


@dataclass(frozen=True, slots=True)
class Met:
    """What has answered a conversation last.

    Attributes:
        name: engine name of the version.
        at: when, in monotonic seconds.
        part: id of the rollout and the arm in which it was compared; None where it was not.
        recalled: it was before this process began, so that `part` is not known.
    """

    name: str
    at: float
    part: tuple[str, str] | None = None
    recalled: bool = False


class Conversations:
    """What has answered a conversation last, for those of the last hour."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, Met] = OrderedDict()

    def met(self, conversation: str, now: float) -> Met | None:
        """Return what a conversation has met, or None where it begins, or has been idle for long."""
        met = self._last.get(conversation)
        return met if met is not None and now - met.at < IDLE_SECONDS else None

    def note(self, conversation: str, answering: Answering, now: float) -> None:
        """Note what answers a conversation; the shadow has no arms of its own."""
        part: tuple[str, str] | None = None
        if answering.rollout is not None and answering.arm is not None and answering.stage != SHADOW:
            part = answering.rollout, answering.arm
        self._keep(conversation, Met(answering.engine_name, now, part))

    def go_on(self, conversation: str, met: Met, now: float) -> None:
        """Note that a conversation goes on, and that what answers it for a while shall not count."""
        self._keep(conversation, replace(met, at=now))

    def recall(self, conversation: str, name: str, at: float) -> None:
        """Note who answered a conversation before this process began."""
        self._keep(conversation, Met(name, at, recalled=True))

    def _keep(self, conversation: str, met: Met) -> None:
        self._last[conversation] = met
        self._last.move_to_end(conversation)
        if len(self._last) > _MOST_CONVERSATIONS:
            self._last.popitem(last=False)


class LiveRollout:
    """One rollout under way. Touched by the event loop only."""

    def __init__(self, rollout: Rollout, course: Course, *, refused: str | None = None) -> None:
        self.rollout = rollout
        self.course = course
        self.refused = refused
        """Why the new version cannot answer now, though it should."""
        self.cut = False
        """It is to end: the new version answers nobody from now on."""

    @property
    def shadows(self) -> bool:
        """Whether the new version answers unseen."""
        rollout = self.rollout
        return rollout.stage == SHADOW and not (rollout.paused or self.cut or self.refused)

    @property
    def waits(self) -> bool:
        """Whether production answers for a while those who come back to the new version afterwards."""
        return self.rollout.paused or self.refused is not None

    def answering(self, who: Who, current: str, met: Met | None) -> Answering:
        """Return who answers.

        Args:
            who: is answered.
            current: engine name of the version in production.
            met: what the conversation has met last; None where it begins.
        """
        rollout = self.rollout
        unit = who.user if who.user and rollout.plan.unit == "user" else who.conversation
        share = 0.0 if self.cut or self.refused else rollout.share
        if not (share or self.shadows):
            return Answering(current)
        number, masked = drawn(rollout.id, rollout.salt, unit)
        arm = arm_of(number, share) if share else Arm.CONTROL
        if share and met is not None and not self._goes_on(arm, masked, met):
            arm = Arm.PRODUCTION
        name = rollout.candidate if arm is Arm.CANARY else current
        return Answering(name, arm.value, rollout.id, masked, rollout.stage)

    def _goes_on(self, arm: Arm, unit: str, met: Met) -> bool:
        """Tell whether a conversation under way is in an arm: only if it began in it.

        What production has begun, production ends, and it is not compared in either arm, else the arms would
        differ in size. Of conversations before a restart the version is known, and whose unit was compared.
        """
        if not met.recalled:
            return met.part == (self.rollout.id, arm.value)
        if arm is Arm.CANARY:
            return met.name == self.rollout.candidate
        return unit in self.course.exposed
