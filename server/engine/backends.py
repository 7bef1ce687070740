"""Where engines come from: vLLM as a child of ours, or servers that somebody else runs.

Knows how to bring an engine up and to see it go; what that means for requests is the driver's business.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from core.errors import Unavailable
from server.engine.admin import EngineAdmin
from server.engine.pool import IDLE_SECONDS
from server.engine.process import BASE_MODEL_NAME, EngineProcess
from server.settings import EngineMode, Settings

_POLL_SECONDS = 0.5
_WATCH_SECONDS = 2.0
_BEAT_SECONDS = 5.0
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 120.0
_NO_ANSWER = "The external engine does not answer yet. Check REPERTORY_ENGINE_URL."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the engines answer.

    Attributes:
        urls: base URLs without `/v1`.
        socket: unix socket to connect through, or None for the network.
        api_key: key that the engines ask for.
    """

    urls: tuple[str, ...]
    socket: Path | None
    api_key: str | None

    def clients(self) -> tuple[httpx.AsyncClient, ...]:
        """Return a client for the administration of each engine."""
        headers = {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        limits = httpx.Limits(keepalive_expiry=IDLE_SECONDS)
        uds = str(self.socket) if self.socket else None
        return tuple(
            httpx.AsyncClient(
                base_url=url,
                headers=headers,
                trust_env=False,
                transport=httpx.AsyncHTTPTransport(uds=uds, limits=limits, trust_env=False),
            )
            for url in self.urls
        )


class Watched(Protocol):
    """Who is told that engines come and go. Implemented by the driver and by test doubles."""

    admins: tuple[EngineAdmin, ...]
    stalled: asyncio.Event

    async def connected(self, answering: frozenset[EngineAdmin]) -> frozenset[EngineAdmin]:
        """Take requests again, after a handshake with the engines that answer; return those that get them."""
        ...

    def disconnected(self, reason: str, retry_after: float) -> None:
        """Stop taking requests, and say why."""
        ...


class Backend(Protocol):
    """Where engines come from: a child of ours, or URLs."""

    async def run(self, engine: "Watched") -> None:
        """Bring the engine up, call `engine.connected`, and return when it is gone."""
        ...

    async def stop(self) -> None:
        """End what this started."""
        ...


def backend_of(settings: Settings, template: Path | None) -> tuple[Backend, Place]:
    """Return the backend that `settings` ask for, and where its engines answer."""
    key = settings.engine_api_key.get_secret_value() if settings.engine_api_key else None
    if settings.engine_mode is EngineMode.MANAGED:
        process = EngineProcess(settings, template)
        backend = ManagedBackend(process, settings.engine_start_seconds, settings.engine_hang_seconds)
        return backend, Place(("http://engine",), process.socket, key)
    urls = tuple(url.rstrip("/").removesuffix("/v1") for url in settings.engine_url)
    return ExternalBackend(), Place(urls, None, key)


class ManagedBackend:
    """vLLM as a child of this process.

    Args:
        process: starts and ends it.
        start_seconds: longest wait until it answers for the first time.
        hang_seconds: silence of its health check after which it counts as hung.
    """

    def __init__(self, process: EngineProcess, start_seconds: float, hang_seconds: float) -> None:
        self._process = process
        self._start_seconds = start_seconds
        self._hang_seconds = hang_seconds

    async def run(self, engine: Watched) -> None:
        """Start vLLM and stay until it has ended, or until it hangs and is ended.

        Raises:
            Unavailable: it ended or hung, before or after it was ready, or did not become ready in time.
        """
        orphans = await asyncio.to_thread(self._process.end_orphans)
        if orphans:
            logger.warning("Ended %d processes of an engine that a killed server had left behind.", orphans)
        await self._process.start()
        try:
            await self._until_healthy(engine.admins[0])
            gone = await self._served(engine)
            engine.disconnected(f"{gone} It is being restarted.", 60)
            logger.error("%s Its log is %r.", gone, str(self._process.log_path))  # the end may quote a prompt
        finally:
            await asyncio.shield(self._process.stop())
        raise Unavailable(gone)

    async def stop(self) -> None:
        """End vLLM."""
        await self._process.stop()

    async def _until_healthy(self, admin: EngineAdmin) -> None:
        deadline = time.monotonic() + self._start_seconds
        while not await admin.healthy():
            if not self._process.running:
                logger.error("vLLM ended while it started. %s", self._hint())
                raise Unavailable("vLLM ended while it started; the server's log says more.")
            if time.monotonic() > deadline:
                logger.error("vLLM did not become ready. %s", self._hint())
                raise Unavailable(
                    f"vLLM was not ready after {self._start_seconds:.0f} s. "
                    "Raise REPERTORY_ENGINE_START_SECONDS if the machine is slow."
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def _served(self, engine: Watched) -> str:
        """Let requests in, once the adapters are loaded; return why there is no engine any more."""
        admin = engine.admins[0]
        connecting = asyncio.create_task(engine.connected(frozenset((admin,))))
        ends = tuple(map(asyncio.create_task, (self._ended(), self._hung(admin), self._stuck(engine))))
        try:
            done, _ = await asyncio.wait((connecting, *ends), return_when=asyncio.FIRST_COMPLETED)
            if not done.intersection(ends):
                connecting.result()
                done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return next(task.result() for task in ends if task in done)
        finally:
            for task in (connecting, *ends):
                task.cancel()
            await asyncio.gather(connecting, *ends, return_exceptions=True)

    async def _ended(self) -> str:
        return f"vLLM ended with code {await self._process.wait()}."

    async def _hung(self, admin: EngineAdmin) -> str:
        """Ask it again and again; return when it has lived without an answer for too long."""
        answered = time.monotonic()
        while time.monotonic() - answered <= self._hang_seconds:
            await asyncio.sleep(min(self._hang_seconds / 4, _BEAT_SECONDS))
            asked = time.monotonic()  # an answer proves that it lived when it was asked
            if await admin.healthy():
                answered = asked
        return f"vLLM runs but has not answered for {self._hang_seconds:.0f} s."

    async def _stuck(self, engine: Watched) -> str:
        """Look whenever an answer has fallen silent; return when the engine behind the server computes nothing."""
        while True:
            await engine.stalled.wait()
            engine.stalled.clear()
            if not await engine.admins[0].computes(BASE_MODEL_NAME, self._hang_seconds):
                return f"vLLM runs but has computed nothing for {self._hang_seconds:.0f} s."

    def _hint(self) -> str:
        return f"Its log is {str(self._process.log_path)!r} and ends: {self._process.last_words()}"


class ExternalBackend:
    """One or more vLLM servers that somebody else runs."""

    async def run(self, engine: Watched) -> None:
        """Shake hands whenever an engine comes or goes; return when none answers any more.

        One that answers its health check but was not fit is tried again, at first after 5 s.

        Raises:
            Unavailable: no engine answers.
        """
        answering: frozenset[EngineAdmin] = frozenset()
        unfit: frozenset[EngineAdmin] = frozenset()
        pause, next_try = _FIRST_PAUSE, 0.0
        told = False
        while True:
            healthy = await _healthy(engine.admins)
            if silent := answering - healthy:  # asked once more: a busy engine may be late once
                healthy |= await _healthy(tuple(silent))
            if not healthy and answering:
                raise Unavailable("No external engine answers any more.")
            if not healthy:
                engine.disconnected(_NO_ANSWER, 5)
                if not told:  # a server without a terminal has only its log to say so
                    logger.warning(_NO_ANSWER)
                    told = True
            elif healthy != answering or (unfit and time.monotonic() >= next_try):
                unfit = healthy - await engine.connected(healthy)
                pause = min(2 * pause, _LONGEST_PAUSE) if unfit else _FIRST_PAUSE
                next_try = time.monotonic() + pause / 2
            answering = healthy
            await asyncio.sleep(_WATCH_SECONDS)

    async def stop(self) -> None:
        """External engines go on without us."""


async def _healthy(admins: Sequence[EngineAdmin]) -> frozenset[EngineAdmin]:
    answers = await asyncio.gather(*(admin.healthy() for admin in admins))
    return frozenset(admin for admin, answer in zip(admins, answers, strict=True) if answer)
