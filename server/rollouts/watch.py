"""Sees the turns of rollouts end: counts them in memory at once, cuts what must be cut, and writes the rest later.

A killed process loses what it counted since the last writing: one second of finished turns.
"""

import logging
from collections import deque
from collections.abc import Callable

import anyio

from adapters.rollouts.course import Turn
from adapters.rollouts.observations import Observations
from adapters.rollouts.plan import Arm
from adapters.rollouts.tally import Fault
from core.clock import Clock
from core.errors import RepertoryError
from server.releases import AdapterReleases
from server.rollouts.blame import fault_of
from server.rollouts.live import LiveRollout
from server.turn.record import TurnRecord

WRITE_SECONDS = 1.0
_MOST_WAITING = 20_000

logger = logging.getLogger(__name__)


class RolloutWatch:
    """An observer of turns.

    Args:
        releases: knows the rollouts that are under way.
        observations: keeps what is seen.
        clock: tells the time.
        end: told of a rollout that must end, and why; it was cut already.
        offer: given a turn whose question the new version is to be asked, too, unseen.
    """

    def __init__(
        self,
        releases: AdapterReleases,
        observations: Observations,
        clock: Clock,
        *,
        end: Callable[[LiveRollout, str], None],
        offer: Callable[[LiveRollout, TurnRecord], None],
    ) -> None:
        self._releases = releases
        self._observations = observations
        self._clock = clock
        self._end = end
        self._offer = offer
        self._waiting: deque[Turn] = deque()
        self._writing = anyio.Lock()

    def finished(self, record: TurnRecord) -> None:
        """Take note of a turn that has ended."""
        answering = record.answering
        if answering is None or answering.rollout is None:
            return
        if answering.unit is None or answering.stage is None:
            return
        arm = Arm(answering.arm or Arm.PRODUCTION)
        live = self._releases.live(answering.engine_name.partition("@")[0])
        if arm is Arm.PRODUCTION or live is None or live.rollout.id != answering.rollout:
            return
        fault = fault_of(record)
        if fault is None or (fault is Fault.ABANDONED and not live.course.tally.outlasts(arm, record.seconds)):
            return
        self.add(
            live,
            Turn(
                rollout=answering.rollout,
                response=record.completion,
                arm=arm,
                unit=answering.unit,
                stage=answering.stage,
                fault=fault,
                seconds=record.seconds,
                at=self._clock(),
            ),
        )
        if live.shadows and not record.abandoned:
            self._offer(live, record)

    def add(self, live: LiveRollout, turn: Turn) -> None:
        """Count a turn of a rollout, and end the rollout if it has to."""
        live.course.add_turn(turn)
        if len(self._waiting) < _MOST_WAITING:  # the database has been away for long; memory goes on counting
            self._waiting.append(turn)
        self.judge(live)

    def judge(self, live: LiveRollout) -> None:
        """End a rollout that has to: at once in memory, then in the database."""
        if live.cut:
            return
        reason = live.course.reason_to_stop()
        if reason is not None:
            live.cut = True
            logger.error("Rollout %s of %s ends: %s", live.rollout.id, live.rollout.candidate, reason)
            self._end(live, reason)

    async def flush(self) -> None:
        """Write what was counted.

        Raises:
            Unavailable: the database takes nothing; it is kept.
        """
        async with self._writing:
            batch = list(self._waiting)
            await anyio.to_thread.run_sync(self._observations.add, batch)
            for _ in batch:
                self._waiting.popleft()

    async def run(self) -> None:
        """Write each second, and once more at the end."""
        try:
            while True:
                await anyio.sleep(WRITE_SECONDS)
                await self._flush_if_possible()
        finally:
            with anyio.CancelScope(shield=True):
                await self._flush_if_possible()

    async def _flush_if_possible(self) -> None:
        try:
            await self.flush()
        except RepertoryError as error:
            logger.warning("Turns of rollouts are kept in memory until they can be written: %s", error.message)
