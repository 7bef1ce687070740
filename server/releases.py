"""Which version of an adapter answers, and how that changes under traffic.

Load and warm first, then move the pointer: requests in flight keep the version that they were given,
and the previous one stays in memory, so that a rollback needs no load. Knows the registry and the
engine; never decides on quality.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from adapters.base import BaseModel
from adapters.demands import check_promotion, under_way
from adapters.registry import Registry
from adapters.retirement import WHOLE, Retirement
from adapters.version import AdapterVersion
from core.errors import Conflict, RepertoryError, Unavailable
from server.background import kept_running
from server.engine.admin import ENGINE_UNAVAILABLE, EngineAdmin
from server.engine.driver import EngineDriver
from server.engine_port import Answering, Who
from server.proof import check_base
from server.residence import Residence
from server.rollouts.live import Conversations, LiveRollout

_LONGEST_PAUSE = 300.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """State of one adapter in the engine.

    Attributes:
        version: what answers now.
        previous: the version that a rollback would return to, kept in memory.
        reason: why the adapter is not served, or None when it is.
    """

    version: AdapterVersion
    previous: AdapterVersion | None
    reason: str | None = None


class AdapterReleases:
    """The pointers from adapter names to versions, kept in step with the registry and the engine.

    Args:
        registry: the versions that there are.
        base: reads what identifies the base model that is served; blocking.
        retry_seconds: pause before an adapter that was refused is tried again; doubled each time.
    """

    def __init__(self, registry: Registry, base: Callable[[], BaseModel], *, retry_seconds: float = 5.0) -> None:
        self._registry = registry
        self._base = base
        self._serving: dict[str, Serving] = {}
        self._driver: EngineDriver | None = None
        self._change = asyncio.Lock()
        self._residence = Residence(registry, base)
        self._retrying: asyncio.Task[None] | None = None
        self._first_pause = retry_seconds
        self._live: dict[str, LiveRollout] = {}
        self._conversations = Conversations()
        self._ends: dict[tuple[str, int], Retirement] = {}

    def attach(self, driver: EngineDriver) -> None:
        """Tell where adapters are served; call it once, before the driver starts."""
        self._driver = driver

    def resolve(self, adapter: str) -> str:
        """Return the engine name (`name@version`) that answers for `adapter` now.

        Raises:
            Unavailable: no version of it can be served; the message says why.
        """
        return self.serving(adapter).engine_name

    def serving(self, adapter: str) -> AdapterVersion:
        """Return the version in production, if it can be served.

        Raises:
            Unavailable: it cannot; the message says why.
        """
        refused = self._driver.adapters_refused() if self._driver else "the engine has not answered yet"
        if refused is not None:
            raise _not_served(adapter, refused)
        serving = self._serving.get(adapter)
        if serving is None:
            raise _not_served(
                adapter, f"it has no version in production; run `repertory adapter use {adapter} VERSION`"
            )
        if serving.reason is not None:
            raise _not_served(adapter, serving.reason)
        return serving.version

    def answering(self, adapter: str, who: Who) -> Answering:
        """Return what answers `who` for `adapter` now: production, or in a rollout perhaps the version on trial.

        The one place where that is decided. It looks into memory alone.

        Raises:
            Unavailable: no version of it can be served; the message says why.
            AdapterRetired: all of it was retired.
        """
        self._check_not_retired(adapter, WHOLE)
        current, now = self.resolve(adapter), time.monotonic()
        live, met = self._live.get(adapter), self._conversations.met(who.conversation, now)
        answering = Answering(current) if live is None else live.answering(who, current, met)
        if live is not None and live.waits and met is not None:
            self._conversations.go_on(who.conversation, met, now)
        else:
            self._conversations.note(who.conversation, answering, now)
        return answering

    def recall(self, conversation: str, engine_name: str, *, seconds_ago: float) -> None:
        """Note who answered a conversation before this process began; call it in the order of the answers."""
        self._conversations.recall(conversation, engine_name, time.monotonic() - seconds_ago)

    def live(self, adapter: str) -> LiveRollout | None:
        """Return the rollout of an adapter that is under way, or None."""
        return self._live.get(adapter)

    def live_rollouts(self) -> Mapping[str, LiveRollout]:
        """Return all rollouts that are under way, by adapter."""
        return self._live

    def show(self, live: LiveRollout) -> None:
        """Let a rollout have its say in who is answered by what, from the next turn on."""
        self._live[live.rollout.adapter] = live

    @contextlib.asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Hold off every other change of what answers."""
        async with self._change:
            yield

    async def ready_for_trial(self, version: AdapterVersion) -> None:
        """Load, prove and pin a version that a rollout is to show; call it within `changing`.

        Raises:
            InvalidRequest: its files are damaged, or it has no effect on the base.
            Unavailable: the engine is away, or cannot serve adapters.
        """
        driver = self._ready_driver(version.name)
        await self._residence.prepare(driver.answering, version, needed=self._needed(version.name))

    async def promoted(self, version: AdapterVersion) -> None:
        """Let a version answer that a rollout has brought into production; call it within `changing`."""
        self._live.pop(version.name, None)
        if self._driver is not None:
            await self._flip(self._driver, version)

    def withdrawn(self, adapter: str) -> None:
        """Let production answer everyone again, at once."""
        self._live.pop(adapter, None)

    async def let_go(self, version: AdapterVersion) -> None:
        """Let a version of a rollout that has ended be evicted, unless users or a rollback need it."""
        if self._driver is not None and version.engine_name not in self._needed(version.name):
            await self._residence.let_go(self._driver.answering, version)

    async def note_ends(self) -> None:
        """Read again what is to be retired and when."""
        self._ends = {(one.name, one.version): one for one in await asyncio.to_thread(self._registry.ends)}

    def _check_not_retired(self, adapter: str, version: int) -> None:
        end = self._ends.get((adapter, version))
        if end is not None and end.at <= self._registry.now():
            raise end.refusal()

    def _needed(self, name: str) -> set[str]:
        serving, live = self._serving.get(name), self._live.get(name)
        names = {one.engine_name for one in (serving.version, serving.previous) if one} if serving else set()
        return names | ({live.rollout.candidate} if live else set())

    async def pinned(self, adapter: str, version: int) -> str:
        """Return the engine name of one registered version, released or not, once the engine has loaded it.

        Raises:
            NotFound: there is no such version, or its files do not fit their manifest.
            InvalidRequest: it was made for another base.
            Unavailable: the engine is away, or cannot serve adapters.
            AdapterRetired: it was retired.
        """
        for retired in (WHOLE, version):
            self._check_not_retired(adapter, retired)
        chosen = await asyncio.to_thread(self._registry.get, adapter, version)
        driver = self._ready_driver(adapter)
        check_base(chosen, await asyncio.to_thread(self._base))
        for admin in driver.answering:
            await admin.load(chosen.engine_name)
        return chosen.engine_name

    async def restore(self, driver: EngineDriver) -> None:
        """Load every released version into an engine that has just answered; called by the driver.

        Raises:
            Unavailable: the engine has gone away again.
        """
        async with self._change:  # a `use` under way must not be undone by what was read before it
            self._residence.begin()
            for name in sorted({v.name for v in await asyncio.to_thread(self._registry.list)}):
                current = await asyncio.to_thread(self._registry.production, name)
                if current is None:
                    self._serving.pop(name, None)
                    continue
                previous = await asyncio.to_thread(self._registry.previous, name)
                reason = await self._restored(driver.answering, current)
                if reason is not None and await self._left_out(driver, current):
                    reason = await self._restored(driver.answering, current, told=reason)
                self._serving[name] = Serving(current, previous, reason)
            for serving in tuple(self._serving.values()):  # only now: what answers comes first into memory
                if serving.previous is not None:
                    await self._residence.keep_warm(driver.answering, serving.previous)
            await self._restore_trials(driver.answering)
            await self.note_ends()
        self._stop_retrying()
        retry = partial(self._retry, driver, driver.answering)
        self._retrying = asyncio.create_task(kept_running("Trying adapters again", retry))

    async def aclose(self) -> None:
        """Stop trying again what was refused."""
        self._stop_retrying()

    async def use(self, name: str, version: int, *, by: str, reason: str, override: bool) -> AdapterVersion:
        """Let a version answer from now on.

        Args:
            name: adapter name.
            version: version number.
            by: who asks; recorded.
            reason: why; recorded.
            override: whether an ungated version may be used; recorded.

        Raises:
            NotFound: there is no such version.
            Conflict: the version is in no state that may answer, or is ungated and `override` is false.
            InvalidRequest: its files are damaged, or it has no effect on the base.
            Unavailable: the engine is away, or cannot serve adapters.
        """
        async with self._change:
            if (live := self._live.get(name)) is not None:
                raise under_way(name, live.rollout.id)
            target = await asyncio.to_thread(self._registry.get, name, version)
            check_promotion(target, override=override, reason=reason)
            driver = self._ready_driver(name)
            await self._residence.prepare(driver.answering, target, needed=self._needed(name))
            promote = partial(self._registry.promote, name, version, by=by, reason=reason, override=override)
            try:
                promoted = await asyncio.to_thread(promote)
            except RepertoryError:
                await self.let_go(target)
                raise
            await self._flip(driver, promoted)
            return promoted

    async def rollback(self, name: str, *, by: str, reason: str) -> AdapterVersion:
        """Return to the previous version.

        Raises:
            Conflict: there is none.
            Unavailable: the engine is away, or cannot serve adapters.
        """
        async with self._change:
            previous = await asyncio.to_thread(self._registry.previous, name)
            if previous is None:
                raise Conflict(
                    f"Adapter {name!r} has no previous version to return to. `repertory adapter show {name}` "
                    "lists its versions.",
                    code="no_previous_version",
                )
            driver = self._ready_driver(name)
            await self._residence.prepare(driver.answering, previous, needed=self._needed(name))
            restored = await asyncio.to_thread(lambda: self._registry.rollback(name, by=by, reason=reason))
            await self._flip(driver, restored)
            return restored

    async def _flip(self, driver: EngineDriver, version: AdapterVersion) -> None:
        old = self._serving.get(version.name)
        # The promotion is committed: from here on nothing that fails may keep the old version answering.
        self._serving[version.name] = Serving(version, old.version if old else None)
        previous = await asyncio.to_thread(self._registry.previous, version.name)
        self._serving[version.name] = Serving(version, previous)
        kept = self._needed(version.name)
        outgoing = (old.version, old.previous) if old else ()
        for stale in outgoing:
            if stale is not None and stale.engine_name not in kept:
                await self._residence.let_go(driver.answering, stale)

    def _stop_retrying(self) -> None:
        if self._retrying is not None:
            self._retrying.cancel()

    async def _retry(self, driver: EngineDriver, engines: Sequence[EngineAdmin]) -> None:
        """Try what was refused again, for its reason may pass: files come back, memory becomes free."""
        pause = self._first_pause
        while self._refused():
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            if driver.answering != engines:  # the next handshake restores everything
                return
            try:
                await self._retry_once(engines)
            except RepertoryError as error:
                logger.warning("The adapters that are not served could not be tried again: %s", error.message)

    def _refused(self) -> bool:
        reasons = [one.reason for one in self._serving.values()] + [one.refused for one in self._live.values()]
        return any(reason is not None for reason in reasons)

    async def _restore_trials(self, engines: Sequence[EngineAdmin]) -> None:
        """Have the versions on trial ready; where one cannot be, production answers everyone meanwhile."""
        for live in tuple(self._live.values()):
            rollout = live.rollout
            candidate = await asyncio.to_thread(self._registry.get, rollout.adapter, rollout.version)
            live.refused = await self._restored(engines, candidate, told=live.refused)

    async def _retry_once(self, engines: Sequence[EngineAdmin]) -> None:
        for name in [name for name, serving in self._serving.items() if serving.reason is not None]:
            async with self._change:
                refused = self._serving.get(name)
                if refused is not None and refused.reason is not None:  # nobody has used another version meanwhile
                    reason = await self._restored(engines, refused.version, told=refused.reason)
                    self._serving[name] = replace(refused, reason=reason)
        if any(live.refused is not None for live in self._live.values()):
            async with self._change:
                await self._restore_trials(engines)

    async def _restored(
        self, engines: Sequence[EngineAdmin], version: AdapterVersion, *, told: str | None = None
    ) -> str | None:
        """Prepare what has answered before; return why it cannot, or None when it can."""
        try:
            await self._residence.prepare(engines, version, needed={version.engine_name})
        except RepertoryError as error:
            if error.code == ENGINE_UNAVAILABLE:
                raise
            if error.message != told:
                logger.error("Adapter %s is not served: %s", version.engine_name, error.message)
            return error.message
        if told is not None:
            logger.info("Adapter %s is served again.", version.engine_name)
        return None

    async def _left_out(self, driver: EngineDriver, version: AdapterVersion) -> bool:
        """Leave out the engines that cannot have a version which others have; tell whether there are any."""
        unfit = dict[EngineAdmin, str]()
        for admin in driver.answering:
            try:
                await self._residence.prepare([admin], version, needed={version.engine_name})
            except RepertoryError as error:
                if error.code == ENGINE_UNAVAILABLE:
                    raise
                unfit[admin] = error.message
        if len(unfit) == len(driver.answering):
            return False
        driver.leave_out(unfit)
        return True

    def _ready_driver(self, name: str) -> EngineDriver:
        if self._driver is None or not self._driver.ready().ok:
            state = self._driver.ready() if self._driver else None
            raise _not_served(name, state.reason if state else "the engine has not answered yet")
        refused = self._driver.adapters_refused()
        if refused is not None:
            raise _not_served(name, refused)
        return self._driver


def _not_served(adapter: str, reason: str) -> Unavailable:
    return Unavailable(
        f"Adapter {adapter!r} is not served: {reason.rstrip('.')}.",
        code="adapter_unavailable",
        retry_after=10,
    )
