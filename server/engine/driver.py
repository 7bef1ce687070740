"""Keeps an engine answering, and says why it does not.

`EngineDriver` is the engine of the chat turn. It knows when the engine is ready and why it is not; where
engines come from is the backends' business, and which adapters belong into them that of `on_ready`.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import anyio

from core.errors import NotFound, RepertoryError, Unavailable, UpstreamFailed
from server.engine.admin import EngineAdmin, Handshake
from server.engine.backends import backend_of
from server.engine.client import ENGINE_STALLED, EngineClient
from server.engine.process import BASE_MODEL_NAME
from server.engine_port import Frame, Payload, Readiness
from server.observe.residents import Resident
from server.settings import EngineMode, Settings

_LONGEST_BACK_OFF = 60.0
_HEALTHY_AFTER = 120.0
_REST_RETRY = 60.0
_LOOK_SECONDS = 0.2

logger = logging.getLogger(__name__)

OnReady = Callable[["EngineDriver"], Awaitable[None]]
"""Called after each handshake, before requests are taken; loads what must be resident."""


class EngineDriver:
    """The engine as the rest of the server sees it.

    Attributes:
        admins: one for each engine.
        answering: those of the engines that answer now.
        handshakes: what the plug-in of each of these proved; None where it has none.
        restarts: how often the engine was lost, or could not be brought up, and is tried again.
        stalled: set when an answer has been silent for long; whoever looks into it clears it.
    """

    def __init__(self, settings: Settings, template: Path | None, on_ready: OnReady) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._state = Readiness(False, "The engine is starting; vLLM takes about a minute.", 10)
        self._base_model = BASE_MODEL_NAME
        self._resting: Readiness | None = None
        self._under_way = 0
        self._task: asyncio.Task[None] | None = None
        self._first_ready = asyncio.Event()
        self._ready_since = math.inf
        self.answering: tuple[EngineAdmin, ...] = ()
        self.handshakes: tuple[Handshake | None, ...] = ()
        self.restarts = 0
        self.stalled = asyncio.Event()
        self._taking: frozenset[EngineAdmin] = frozenset()
        self._backend, place = backend_of(settings, template)
        self._https = place.clients()
        self.admins = tuple(EngineAdmin(http) for http in self._https)
        urls = dict(zip(self.admins, place.urls, strict=True))
        self._client = EngineClient(
            base_model=BASE_MODEL_NAME,
            urls=place.urls,
            socket=place.socket,
            api_key=place.api_key,
            stall_seconds=settings.stall_seconds,
            readiness=self.ready,
            answering=lambda: {urls[admin] for admin in self._taking},
        )

    # The engine of the chat turn

    @property
    def base_model(self) -> str:
        """Engine name of the base model."""
        return self._base_model

    def ready(self) -> Readiness:
        """Tell at once whether requests can be taken."""
        return self._resting if self._resting is not None and self._state.ok else self._state

    async def rest(self, reason: str) -> None:
        """Take no more requests until `work`, and wait until those under way are answered."""
        self._resting = Readiness(False, reason, _REST_RETRY)
        with anyio.move_on_after(self._settings.stall_seconds):
            while self._under_way:
                await anyio.sleep(_LOOK_SECONDS)

    def work(self) -> None:
        """Take requests again."""
        self._resting = None

    async def chat(self, model: str, payload: Payload) -> Frame:
        """Return a whole completion."""
        self._require_ready()
        # A whole answer may take long; that nothing has come so far is reason enough to look at the engine.
        self._under_way += 1
        late = asyncio.get_running_loop().call_later(self._settings.stall_seconds, self.stalled.set)
        try:
            return await self._client.chat(model, payload)
        finally:
            late.cancel()
            self._under_way -= 1

    async def stream(self, model: str, payload: Payload) -> AsyncGenerator[Frame, None]:
        """Yield the chunks of a completion. Closing the iterator frees the engine at once."""
        self._require_ready()
        frames = self._client.stream(model, payload)
        self._under_way += 1
        try:
            async with contextlib.aclosing(frames):
                async for frame in frames:
                    yield frame
        except UpstreamFailed as error:
            if error.code == ENGINE_STALLED:
                self.stalled.set()
            raise
        finally:
            self._under_way -= 1

    async def likelihood(self, model: str, text: str) -> list[float]:
        """Return the log-probability of each token of `text` but the first.

        Raises:
            Unavailable: no engine answers now.
        """
        self._require_ready()
        return await self.answering[0].likelihood(model, text)

    # Its life

    def adapters_refused(self) -> str | None:
        """Return why no adapter can be served now, or None when they can."""
        if not self.handshakes:
            return self._state.reason or "the engine has not answered yet"
        for handshake in self.handshakes:
            reason = _refusal(handshake)
            if reason is not None:
                return f"the engine cannot serve adapters: {reason}"
        return None

    def leave_out(self, unfit: Mapping[EngineAdmin, str]) -> None:
        """Use some engines no longer, each for its reason, until the next handshake; call it within `on_ready`."""
        for admin, reason in unfit.items():
            logger.warning("Engine %d is not used: %s", self.admins.index(admin), reason)
        kept = [pair for pair in zip(self.answering, self.handshakes, strict=True) if pair[0] not in unfit]
        self.answering, self.handshakes = tuple(a for a, _ in kept), tuple(h for _, h in kept)

    async def residents(self) -> list[Resident]:
        """Return the adapters in the engines that answer now.

        Raises:
            Unavailable: one of them has just gone away.
        """
        return [
            Resident(self.admins.index(admin), one.name, one.slot is not None, one.pinned)
            for admin in self.answering
            for one in await admin.residents()
        ]

    async def metrics(self, engine: int) -> bytes:
        """Return the own metrics of one engine, counted from 0 in the order of the settings.

        Raises:
            NotFound: there is no such engine.
            Unavailable: it is away.
        """
        if engine >= len(self.admins):
            raise NotFound(f"There is no engine {engine}; they are counted from 0.", code="engine_not_found")
        return await self.admins[engine].metrics()

    async def start(self) -> None:
        """Begin to bring the engine up; returns at once."""
        self._task = asyncio.create_task(self._supervise(), name="engine")

    async def wait_ready(self) -> None:
        """Wait until the engine has been ready once."""
        await self._first_ready.wait()

    async def stop(self) -> None:
        """End the engine and everything that it started."""
        self._state = Readiness(False, "The server is stopping.", 30)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._backend.stop()
        await self._client.aclose()
        for http in self._https:
            await http.aclose()

    async def connected(self, answering: frozenset[EngineAdmin]) -> frozenset[EngineAdmin]:
        """Shake hands with the engines that now answer, have adapters loaded, and take requests.

        An engine that joins gets requests only once all this is done. Those that had them keep them, even if the
        one that joins turns out to be unfit: whoever cannot serve adapters is left out while others can.

        Returns:
            the engines that get requests.

        Raises:
            RepertoryError: there is none that could.
        """
        self._taking &= answering
        kept = [(a, h) for a, h in zip(self.answering, self.handshakes, strict=True) if a in self._taking]
        try:
            await self._take(answering)
        except RepertoryError as error:
            if not kept:
                raise
            self.answering, self.handshakes = tuple(a for a, _ in kept), tuple(h for _, h in kept)
            logger.warning("An engine that has joined is not used yet: %s", error.message)
        return self._taking

    async def _take(self, answering: frozenset[EngineAdmin]) -> None:
        shaken = await self._handshakes([admin for admin in self.admins if admin in answering])
        self.answering, self.handshakes = tuple(shaken), tuple(shaken.values())
        if self._settings.engine_mode is EngineMode.EXTERNAL:
            self._base_model = (await self.answering[0].model_names())[0]
        refused = self.adapters_refused()
        if refused is not None:
            logger.error("No adapter will be served: %s.", refused)
        else:
            await self._on_ready(self)
        self._taking = frozenset(self.answering)
        self.stalled.clear()
        self._state = Readiness(True)
        self._ready_since = min(self._ready_since, time.monotonic())
        self._first_ready.set()

    async def _handshakes(self, admins: Sequence[EngineAdmin]) -> dict[EngineAdmin, Handshake | None]:
        """Shake hands with each engine; one that fails, or cannot serve adapters, is left out, unless all do."""
        shaken: dict[EngineAdmin, Handshake | None] = {}
        failure: RepertoryError | None = None
        for admin in admins:
            try:
                shaken[admin] = await admin.handshake()
            except RepertoryError as error:
                failure = error
                logger.warning("Engine %d is not used: %s", self.admins.index(admin), error.message)
        if failure is not None and not shaken:
            raise failure
        fit = {admin: handshake for admin, handshake in shaken.items() if _refusal(handshake) is None}
        for admin in shaken.keys() - fit.keys() if fit else ():
            logger.warning("Engine %d is not used: %s.", self.admins.index(admin), _refusal(shaken[admin]))
        return fit or shaken

    def disconnected(self, reason: str, retry_after: float) -> None:
        """Stop taking requests, and say why."""
        self._state = Readiness(False, reason, retry_after)
        self._taking = frozenset()
        self.answering = ()
        self.handshakes = ()

    def _require_ready(self) -> None:
        state = self.ready()
        if not state.ok:
            raise Unavailable(state.reason, code="engine_unavailable", retry_after=state.retry_after)

    async def _supervise(self) -> None:
        back_off = 1.0
        while True:
            self._ready_since = math.inf
            reason = "The engine went away."
            try:
                await self._backend.run(self)
            except RepertoryError as error:
                reason = error.message
            except Exception:  # the worker edge: one failed start must not end the supervision
                logger.exception("The engine could not be brought up.")
                reason = "The engine could not be brought up; see the server's log."
            if time.monotonic() - self._ready_since > _HEALTHY_AFTER:
                back_off = 1.0
            self.disconnected(f"{reason} The next try is in {back_off:.0f} s.", back_off + 30)
            logger.error("%s Next try in %.0f s.", reason, back_off)
            self.restarts += 1
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, _LONGEST_BACK_OFF)


def _refusal(handshake: Handshake | None) -> str | None:
    return "it lacks the Repertory plug-in" if handshake is None else handshake.refusal()
