"""Sending server-sent events: errors before and after the first byte, silence, and clients that leave.

Knows bytes, never what they say.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import anyio
import orjson
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from core.errors import RepertoryError
from core.ids import new_id
from server.wire import error_body, error_response, unexpected

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment is the only keep-alive that every SDK ignores."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class EventStream(Response):
    """Sends frames as they come.

    An error before the first byte is an ordinary error response; after it, one error frame ends the
    stream. When the client leaves, `frames` is closed at once.

    Args:
        frames: whole server-sent events.
        headers: further headers of the response.
        keep_alive: seconds of silence after which a comment is sent.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        *,
        headers: Mapping[str, str] | None = None,
        keep_alive: float = 10.0,
    ) -> None:
        super().__init__()
        self._frames = frames
        self._sent_headers = [*_HEADERS, *((n.encode(), v.encode()) for n, v in (headers or {}).items())]
        self._keep_alive = keep_alive
        self._started = False
        self._last_sent = 0.0
        self._busy = False
        self._comment: anyio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, or stop when the client leaves."""
        self._last_sent = time.monotonic()
        async with anyio.create_task_group() as group:
            group.start_soon(_until_gone, receive, group.cancel_scope)
            group.start_soon(self._beat, send)
            try:
                async with aclosing(self._frames) as frames:
                    async for frame in frames:
                        await self._send(send, frame)
                await self._end(send)
            except RepertoryError as error:
                await self._fail(error, scope, receive, send)
            except Exception as error:
                await self._fail(unexpected(error, new_id("err")), scope, receive, send)
            group.cancel_scope.cancel()

    async def _fail(self, error: RepertoryError, scope: Scope, receive: Receive, send: Send) -> None:
        await self._after_comment()
        self._busy, started, self._started = True, self._started, True
        if not started:
            await error_response(error)(scope, receive, send)
            return
        await self._send(send, b"data: " + orjson.dumps(error_body(error)) + b"\n\n")
        await self._end(send)

    async def _beat(self, send: Send) -> None:
        while True:
            rest = self._last_sent + self._keep_alive - time.monotonic()
            if rest > 0:
                await anyio.sleep(rest)
            elif self._busy:  # a frame waits for a slow client; a comment would only wait behind it
                await anyio.sleep(self._keep_alive)
            else:
                self._comment = anyio.Event()
                try:
                    await self._write(send, KEEP_ALIVE)
                finally:
                    self._comment.set()
                    self._comment = None

    async def _send(self, send: Send, data: bytes) -> None:
        """Send a frame. Two tasks send, and a lock taken for each frame would cost more than the sending."""
        await self._after_comment()
        self._busy = True
        await self._write(send, data)
        self._busy = False

    async def _write(self, send: Send, data: bytes) -> None:
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": 200, "headers": list(self._sent_headers)})
        await send({"type": "http.response.body", "body": data, "more_body": True})
        self._last_sent = time.monotonic()

    async def _after_comment(self) -> None:
        if self._comment is not None:
            await self._comment.wait()

    async def _end(self, send: Send) -> None:
        await self._after_comment()
        self._busy = True  # for good: nothing may follow
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()
    scope.cancel()
