"""The rollouts that are under way, in memory: a turn asks here, and never the database, who answers it."""

from collections import OrderedDict

from adapters.rollouts.assignment import arm_of, drawn
from adapters.rollouts.course import Course
from adapters.rollouts.plan import SHADOW, Arm
from adapters.rollouts.rollout import Rollout
from server.engine_port import Answering, Who

_MOST_CONVERSATIONS = 20_000
IDLE_SECONDS = 3600.0
"""After that long without a turn, a conversation may go on with another version."""


class Conversations:
    """Which version has answered a conversation last, for those of the last hour."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def version(self, conversation: str, now: float) -> str | None:
        """Return the engine name of the version that a conversation has met, or None."""
        name, since = self._last.get(conversation, (None, 0.0))
        return name if now - since < IDLE_SECONDS else None

    def note(self, conversation: str, name: str, now: float) -> None:
        """Note who answers a conversation."""
        self._last[conversation] = (name, now)
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

    def answering(self, who: Who, current: str, met: str | None) -> Answering:
        """Return who answers.

        Args:
            who: is answered.
            current: engine name of the version in production.
            met: engine name of the version that the conversation has met last.
        """
        rollout = self.rollout
        unit = who.user if who.user and rollout.plan.unit == "user" else who.conversation
        share = 0.0 if self.cut or self.refused else rollout.share
        if not (share or self.shadows):
            return Answering(current)
        number, masked = drawn(rollout.id, rollout.salt, unit)
        arm = arm_of(number, share) if share else Arm.CONTROL
        if arm is Arm.CANARY and met == current:  # what production has begun, production ends
            arm = Arm.PRODUCTION
        name = rollout.candidate if arm is Arm.CANARY else current
        return Answering(name, arm.value, rollout.id, masked)
