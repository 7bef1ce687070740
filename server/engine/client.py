"""The HTTP client of vLLM's OpenAI endpoint: completions, their chunks, and its errors in our words.

Must never know adapters' admin calls, nor how the engine is started.
"""

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson

from core.errors import InternalError, RepertoryError, Unavailable, UpstreamFailed
from server.engine.refusals import broken_off, engine_refusal
from server.engine_port import Frame, Payload, Readiness

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
    ) -> None:
        self._base_model = base_model
        self._readiness = readiness
        self._stall_seconds = stall_seconds
        transport = httpx.AsyncHTTPTransport(
            uds=str(socket) if socket else None,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            trust_env=False,
        )
        headers = {"content-type": "application/json"}
        if api_key:
            headers["authorization"] = f"Bearer {api_key}"
        self._http = httpx.AsyncClient(
            transport=transport, headers=headers, timeout=self._timeout(stall_seconds), trust_env=False
        )
        self._urls = tuple(url.rstrip("/").removesuffix("/v1") for url in urls)
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
        await self._http.aclose()

    async def chat(self, model: str, payload: Payload) -> Frame:
        """Return a whole completion.

        Raises:
            ContextTooLong: the prompt does not fit.
            InvalidRequest: the engine refuses a parameter.
            Unavailable: the engine is away.
            UpstreamFailed: the engine broke off or stalled.
        """
        body = orjson.dumps({**payload, "model": model, "stream": False})
        timeout = self._timeout(self._stall_seconds * _WHOLE_ANSWER_FACTOR)
        async with self._post("/v1/chat/completions", body, timeout) as response:
            completion: Frame = orjson.loads(await response.aread())
            return completion

    async def stream(self, model: str, payload: Payload) -> AsyncGenerator[Frame, None]:
        """Yield the chunks of a completion; the last one carries the usage.

        Raises:
            the same as `chat`, before the first chunk or in the middle.
        """
        body = orjson.dumps({**payload, "model": model, "stream": True, "stream_options": {"include_usage": True}})
        async with self._post("/v1/chat/completions", body, self._timeout(self._stall_seconds)) as response:
            async for data in _data_lines(response):
                if data == b"[DONE]":
                    return
                frame = orjson.loads(data)
                if "error" in frame:
                    raise broken_off(data)
                yield frame
        raise UpstreamFailed("The engine broke off in the middle of the answer. Ask again.")

    @asynccontextmanager
    async def _post(self, path: str, body: bytes, timeout: httpx.Timeout) -> AsyncIterator[httpx.Response]:
        """Open one request; leaving the block closes its connection, which aborts vLLM's work on it."""
        try:
            response = await self._connect(path, body, timeout)
            try:
                if response.status_code != httpx.codes.OK:
                    raise engine_refusal(response.status_code, await response.aread())
                yield response
            finally:
                await response.aclose()
        except RepertoryError:
            raise
        except httpx.TimeoutException as error:
            raise UpstreamFailed(
                "The engine has been silent for too long. Ask again, or ask for fewer tokens.",
                code="engine_stalled",
            ) from error
        except httpx.HTTPError as error:
            raise UpstreamFailed("The engine broke off in the middle of the answer. Ask again.") from error
        except orjson.JSONDecodeError as error:
            raise UpstreamFailed("The engine sent something that is not JSON. See its log.") from error

    async def _connect(self, path: str, body: bytes, timeout: httpx.Timeout) -> httpx.Response:
        first = next(self._turn)
        for offset in range(len(self._urls)):
            url = self._urls[(first + offset) % len(self._urls)] + path
            request = self._http.build_request("POST", url, content=body, timeout=timeout)
            try:
                return await self._http.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except httpx.UnsupportedProtocol as error:
                raise InternalError(f"{url!r} is no engine address. Correct REPERTORY_ENGINE_URL.") from error
        state = self._readiness()
        raise Unavailable(
            state.reason or "The engine does not answer. It is being restarted, or its address is wrong.",
            code="engine_unavailable",
            retry_after=state.retry_after,
        )

    @staticmethod
    def _timeout(seconds: float) -> httpx.Timeout:
        return httpx.Timeout(seconds, connect=5.0, pool=None)


async def _data_lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the payload of each `data:` line; other lines and comments carry nothing for us."""
    rest = b""
    async for chunk in response.aiter_raw():
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
