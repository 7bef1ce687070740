"""The HTTP client of vLLM's OpenAI endpoint: completions, their chunks, and its errors in our words.

Must never know adapters' admin calls, nor how the engine is started.
"""

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import orjson

from core.errors import RepertoryError, Unavailable, UpstreamFailed
from server.engine.connection import ConnectionBroken, EngineConnection, EngineSilent
from server.engine.pool import EngineAddress, EnginePool
from server.engine.refusals import broken_off, engine_refusal
from server.engine_port import Frame, Payload, Readiness
from server.observe.request import outgoing_headers

ENGINE_STALLED = "engine_stalled"
"""Code of the error that means: no byte came for too long."""

_CHAT = "/v1/chat/completions"
_WHOLE_ANSWER_FACTOR = 10
"""A completion that is not streamed is one long silence; it may last this many stalls."""


class EngineClient:
    """Asks one vLLM server, or several that serve the same models.

    Args:
        base_model: engine name of the base model.
        urls: base URLs without `/v1`, asked in turn; a server that takes no connection is passed over.
        socket: unix socket to connect through; then one URL such as `http://engine` is enough.
        api_key: key that the engine asks for.
        stall_seconds: longest silence of the engine within one answer.
        readiness: tells at once whether requests can be taken; the driver knows.
        answering: tells which of `urls` answered their last probe; the others are asked only if none did.
    """

    def __init__(
        self,
        *,
        base_model: str,
        urls: Sequence[str] = ("http://engine",),
        socket: Path | None = None,
        api_key: str | None = None,
        stall_seconds: float = 120,
        readiness: Callable[[], Readiness] = lambda: Readiness(True),
        answering: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._base_model = base_model
        self._readiness = readiness
        self._stall_seconds = stall_seconds
        self._answering = answering
        self._pools = {url: EnginePool(EngineAddress(_base_of(url), socket, api_key)) for url in urls}
        self._turn = itertools.count()

    @property
    def base_model(self) -> str:
        """Engine name of the base model."""
        return self._base_model

    def ready(self) -> Readiness:
        """Tell at once whether requests can be taken."""
        return self._readiness()

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()

    async def chat(self, model: str, payload: Payload) -> Frame:
        """Return a whole completion.

        Raises:
            ContextTooLong: the prompt does not fit.
            InvalidRequest: the engine refuses a parameter.
            Unavailable: the engine is away.
            UpstreamFailed: the engine broke off or stalled.
        """
        body = orjson.dumps({**payload, "model": model, "stream": False})
        async with self._post(body, self._stall_seconds * _WHOLE_ANSWER_FACTOR) as connection:
            completion: Frame = orjson.loads(await _rest(connection))
            return completion

    async def stream(self, model: str, payload: Payload) -> AsyncGenerator[Frame, None]:
        """Yield the chunks of a completion; the last one carries the usage.

        Raises:
            the same as `chat`, before the first chunk or in the middle.
        """
        body = orjson.dumps({**payload, "model": model, "stream": True, "stream_options": {"include_usage": True}})
        async with self._post(body, self._stall_seconds) as connection:
            rest = b""
            while chunk := await connection.read():
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    if not line.startswith(b"data:"):
                        continue  # empty lines and comments carry nothing for us
                    data = line[5:].strip()
                    if data == b"[DONE]":
                        return
                    frame = orjson.loads(data)
                    if "error" in frame:
                        raise broken_off(data)
                    yield frame
        raise UpstreamFailed("The engine broke off in the middle of the answer. Ask again.")

    @asynccontextmanager
    async def _post(self, body: bytes, limit: float) -> AsyncIterator[EngineConnection]:
        """Open one request; breaking out of the block closes its connection, which aborts vLLM's work on it."""
        whole = False
        try:
            connection, status = await self._connect(body, limit)
            try:
                if status != HTTPStatus.OK:
                    raise engine_refusal(status, await _rest(connection))
                yield connection
                whole = True
            finally:
                connection.release(whole=whole)
        except RepertoryError:
            raise
        except EngineSilent as error:
            raise UpstreamFailed(
                "The engine has been silent for too long. Ask again, or ask for fewer tokens.",
                code=ENGINE_STALLED,
            ) from error
        except ConnectionBroken as error:
            raise UpstreamFailed("The engine broke off in the middle of the answer. Ask again.") from error
        except orjson.JSONDecodeError as error:
            raise UpstreamFailed("The engine sent something that is not JSON. See its log.") from error

    async def _connect(self, body: bytes, limit: float) -> tuple[EngineConnection, int]:
        first, urls = next(self._turn), self._live_urls()
        for offset in range(len(urls)):
            pool = self._pools[urls[(first + offset) % len(urls)]]
            try:
                return await pool.post(_CHAT, body, outgoing_headers(), limit)
            except OSError:
                continue
        state = self._readiness()
        raise Unavailable(
            state.reason or "The engine does not answer. It is being restarted, or its address is wrong.",
            code="engine_unavailable",
            retry_after=state.retry_after,
        )

    def _live_urls(self) -> Sequence[str]:
        answering = self._answering()
        return [url for url in self._pools if url in answering] or list(self._pools)


def _base_of(url: str) -> str:
    return url.rstrip("/").removesuffix("/v1")


async def _rest(connection: EngineConnection) -> bytes:
    parts = []
    while part := await connection.read():
        parts.append(part)
    return b"".join(parts)
