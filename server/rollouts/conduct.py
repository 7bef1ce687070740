"""What can be done with a rollout while the gateway runs: the database first, then memory, one at a time.

Requests in flight keep the version that they were given. Nothing here decides on quality.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import anyio

from adapters.registry import Registry
from adapters.rollouts.course import Course
from adapters.rollouts.observations import Observations
from adapters.rollouts.plan import Plan
from adapters.rollouts.rollout import Ending, Rollout
from adapters.rollouts.store import Rollouts
from adapters.version import VersionState
from core.clock import Clock, system_clock
from core.database import Database
from core.errors import Conflict, RepertoryError
from server.background import kept_running
from server.engine_port import Engine
from server.releases import AdapterReleases
from server.rollouts.live import IDLE_SECONDS, LiveRollout
from server.rollouts.promoter import Promoter
from server.rollouts.shadow import Shadow
from server.rollouts.watch import RolloutWatch
from server.transcripts.answered import Answered, answered_since
from server.turn.record import TurnRecord

BY_ITSELF = "rollout"
"""Who the record names where a rollout ends by itself."""

_AGAIN_SECONDS = 1.0
_DAY_SECONDS = 86_400.0
_KEPT_SECONDS = 90 * _DAY_SECONDS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _End:
    """An end that is to be written: of which rollout, and what the record says of it."""

    live: LiveRollout
    by: str
    reason: str
    ending: Ending


class Conduct:
    """Begins, advances, pauses and ends rollouts.

    Args:
        registry: the versions.
        rollouts: the rollouts in the database.
        observations: what was seen of them.
        releases: decides who is answered by what.
        clock: tells the time.
        answered: reads who answered which conversation since then, as far as that is kept; blocking.
    """

    def __init__(
        self,
        registry: Registry,
        rollouts: Rollouts,
        observations: Observations,
        releases: AdapterReleases,
        clock: Clock,
        answered: Callable[[float], Iterable[Answered]],
    ) -> None:
        self.rollouts = rollouts
        self.observations = observations
        self._registry = registry
        self._releases = releases
        self._clock = clock
        self._answered = answered
        self._ending: deque[_End] = deque()
        self._end_one = anyio.Event()
        self._shadow: Shadow | None = None
        self.watch = RolloutWatch(releases, observations, clock, end=self._to_end, offer=self._offer)

    def load(self) -> None:
        """Take up what is under way; call it once, before the engine is. Blocking."""
        for rollout in self.rollouts.list(live=True):
            live = LiveRollout(rollout, self.observations.course(rollout))
            self._releases.show(live)
            self.watch.judge(live)  # a kill may have come between its end in memory and the writing
        now = self._clock()
        for one in self._answered(now - IDLE_SECONDS):
            self._releases.recall(one.conversation, one.version, seconds_ago=max(0.0, now - one.at))

    async def start(
        self, adapter: str, version: int, *, stage: str, plan: Plan, by: str, reason: str = ""
    ) -> Rollout:
        """Load and prove an approved version, and begin to try it.

        Raises:
            NotFound: there is no such version.
            Conflict: it is not approved, nothing is in production, or another rollout is under way.
            InvalidRequest: its files are damaged, or it has no effect on the base.
            Unavailable: the engine is away, or cannot serve adapters.
        """
        async with self._releases.changing():
            target = await anyio.to_thread.run_sync(self._registry.get, adapter, version)
            ready = target.state is VersionState.APPROVED and self._releases.live(adapter) is None
            if ready:  # anything else is refused below, before it costs anything
                await self._releases.ready_for_trial(target)
            begin = partial(self.rollouts.start, adapter, version, stage=stage, plan=plan, by=by, reason=reason)
            try:
                rollout = await anyio.to_thread.run_sync(begin)
            except RepertoryError:
                if ready:
                    await self._releases.let_go(target)
                raise
            live = LiveRollout(rollout, Course(plan))
            self._releases.show(live)
            self.watch.judge(live)
            return rollout

    async def advance(self, rollout_id: str, to: str, *, by: str, reason: str = "") -> Rollout:
        """Go on to a later stage; `production` lets the version answer everyone and ends the rollout.

        Raises:
            NotFound: there is no such rollout.
            Conflict: it has ended, is paused, is past that stage, or is about to end by itself.
        """
        async with self._releases.changing():
            known = await anyio.to_thread.run_sync(self.rollouts.get, rollout_id)
            live = self._live(known)
            if live is not None and (live.cut or live.refused):
                raise Conflict(
                    f"The rollout {rollout_id} goes no further: {live.refused or 'it is about to end'}.",
                    code="rollout_ended",
                )
            rollout = await anyio.to_thread.run_sync(
                lambda: self.rollouts.advance(rollout_id, to, by=by, reason=reason)
            )
            if rollout.ended_at is not None and known.ended_at is None:
                promoted = await anyio.to_thread.run_sync(self._registry.get, rollout.adapter, rollout.version)
                await self._releases.promoted(promoted)
            elif live is not None:
                live.rollout = rollout
            return rollout

    async def pause(self, rollout_id: str, *, by: str, reason: str = "", paused: bool = True) -> Rollout:
        """Let production answer everyone for a while, or end that.

        Raises:
            NotFound: there is no such rollout.
            Conflict: it has ended.
        """
        async with self._releases.changing():
            rollout = await anyio.to_thread.run_sync(
                lambda: self.rollouts.pause(rollout_id, by=by, reason=reason, paused=paused)
            )
            if (live := self._live(rollout)) is not None:
                live.rollout = rollout
            return rollout

    async def stop(
        self, rollout_id: str, *, by: str, reason: str = "", ending: Ending = Ending.STOPPED
    ) -> Rollout:
        """Let production answer everyone again, from the next turn on, and roll the version back.

        Raises:
            NotFound: there is no such rollout.
            RepertoryError: the end is not written yet; nobody is answered by the version, and it is tried again.
        """
        lives = self._releases.live_rollouts().values()
        live = next((one for one in lives if one.rollout.id == rollout_id), None)
        if live is not None:
            live.cut = True  # at once, though another adapter may just be loaded
        try:
            rollout = await self._stop(rollout_id, by=by, reason=reason, ending=ending)
        except BaseException:
            if live is not None:
                self._write_later(_End(live, by, reason, ending))
            raise
        await self.watch.flush()
        return rollout

    async def _stop(self, rollout_id: str, *, by: str, reason: str, ending: Ending) -> Rollout:
        async with self._releases.changing():
            rollout = await anyio.to_thread.run_sync(
                lambda: self.rollouts.stop(rollout_id, by=by, reason=reason, ending=ending)
            )
            if self._live(rollout) is not None:
                self._releases.withdrawn(rollout.adapter)
                version = await anyio.to_thread.run_sync(self._registry.get, rollout.adapter, rollout.version)
                await self._releases.let_go(version)
            return rollout

    async def tell(self, rollout_id: str, response: str, *, good: bool | None, unsafe: bool, by: str) -> bool:
        """Take what was said of an answer; False where something was said of it before.

        Raises:
            NotFound: there is no such rollout, or it did not compare this answer.
        """
        rollout = await anyio.to_thread.run_sync(self.rollouts.get, rollout_id)
        await self.watch.flush()
        outcome = await anyio.to_thread.run_sync(
            lambda: self.observations.tell(rollout_id, response, good=good, unsafe=unsafe, by=by)
        )
        if outcome is None:
            return False
        if (live := self._live(rollout)) is not None:
            live.course.add_outcome(outcome)
            self.watch.judge(live)
        return True

    async def course(self, rollout: Rollout) -> Course:
        """Return what a rollout has come to so far."""
        live = self._live(rollout)
        return live.course if live else await anyio.to_thread.run_sync(self.observations.course, rollout)

    @property
    def unasked(self) -> int:
        """Questions that no shadow was asked, for lack of time."""
        return self._shadow.dropped if self._shadow else 0

    async def run(self, engine: Engine, busy: Callable[[], int], promotes: Callable[[str], bool]) -> None:
        """Write what is seen, ask shadows, end what must end, and promote what may, until cancelled.

        Args:
            engine: answers in the shadow.
            busy: tells how many turns are under way.
            promotes: tells whether versions of an adapter that pass their gate answer at once.
        """
        self._shadow = Shadow(engine, busy, self._clock, seen=self.watch.add)
        async with anyio.create_task_group() as group:
            group.start_soon(kept_running, "Writing the turns of rollouts", self.watch.run)
            group.start_soon(kept_running, "Asking shadows", self._shadow.run)
            group.start_soon(kept_running, "Ending rollouts", self._end_all)
            group.start_soon(kept_running, "Deleting the turns of old rollouts", self._sweep)
            promoter = Promoter(self._registry, self._releases, promotes)
            group.start_soon(kept_running, "Promoting what has passed", promoter.run)

    async def _sweep(self) -> None:
        while True:
            try:
                await anyio.to_thread.run_sync(self.observations.prune, self._clock() - _KEPT_SECONDS)
            except RepertoryError as error:
                logger.warning("The turns of old rollouts stay for another day: %s", error.message)
            await anyio.sleep(_DAY_SECONDS)

    def _live(self, rollout: Rollout) -> LiveRollout | None:
        live = self._releases.live(rollout.adapter)
        return live if live is not None and live.rollout.id == rollout.id else None

    def _offer(self, live: LiveRollout, record: TurnRecord) -> None:
        if self._shadow is not None:
            self._shadow.offer(live, record)

    def _to_end(self, live: LiveRollout, reason: str) -> None:
        self._write_later(_End(live, BY_ITSELF, reason, Ending.BROKEN_OFF))

    def _write_later(self, end: _End) -> None:
        self._ending.append(end)
        self._end_one.set()

    async def _end_all(self) -> None:
        """Write down the ends of rollouts that were cut; one that cannot be written is tried again."""
        while True:
            self._end_one = anyio.Event()
            while self._ending:
                end = self._ending[0]
                rollout = end.live.rollout.id
                try:
                    await self._stop(rollout, by=end.by, reason=end.reason, ending=end.ending)
                except RepertoryError as error:
                    logger.error("The end of rollout %s is not written: %s", rollout, error.message)
                    await anyio.sleep(_AGAIN_SECONDS)
                    continue
                self._ending.popleft()
            await self._end_one.wait()


def conduct_of(
    database: Database, registry: Registry, releases: AdapterReleases, clock: Clock = system_clock
) -> Conduct:
    """Return what conducts the rollouts of a database."""
    rollouts, observations = Rollouts(database, registry, clock), Observations(database, clock)
    answered = partial(answered_since, database)
    return Conduct(registry, rollouts, observations, releases, clock, answered)
