"""One HTTP/1.1 connection to an engine, which carries one request at a time and hands on the answer's bytes.

Parsing is httptools'; what this owns is waiting: bytes are handed on as they come, several pieces that came
together at once, silence ends after a limit, and a reader that is slow stops the engine's sending. It exists
because a general HTTP client took longer over each token than everything else that a token passes through.
Must never know what the bytes mean, nor which engine to ask.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

_MOST_HELD_BYTES = 256 * 1024
_DRAIN_SECONDS = 5.0


class ConnectionBroken(Exception):
    """The engine closed the connection, or sent something that is not HTTP, before its answer was whole."""


class EngineSilent(Exception):
    """No byte came for longer than the limit."""


class EngineConnection(asyncio.Protocol):
    """A connection, open until it breaks or an answer is given up.

    Args:
        loop: the running loop.
        reusable: called with the connection when a whole answer is through and another may follow.
        gone: called with the connection when it has ended.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reusable: Callable[["EngineConnection"], None],
        gone: Callable[["EngineConnection"], None],
    ) -> None:
        self._loop = loop
        self._reusable = reusable
        self._gone = gone
        self._parts: list[bytes] = []
        self._held = 0
        self._status: int | None = None
        self._complete = False
        self._released = True
        self._kept_alive = False
        self._paused = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._silent_since = 0.0
        self._limit = 0.0
        self._watchdog: asyncio.TimerHandle | None = None

    @property
    def open(self) -> bool:
        """Whether another request can be sent."""
        return self._failure is None and not self._transport.is_closing()

    async def send(self, request: bytes, limit: float) -> int:
        """Send a whole request and return the status of the answer.

        Args:
            request: head and body.
            limit: seconds of silence that are borne while somebody waits for bytes.

        Raises:
            ConnectionBroken: the connection ended first.
            EngineSilent: no answer began within the limit.
        """
        self._begin(limit)
        self._transport.write(request)
        while self._status is None:
            await self._news()
        return self._status

    async def read(self) -> bytes:
        """Return the bytes of the answer that have come since the last call, at least one; none at its end.

        Raises:
            ConnectionBroken: the connection ended first.
            EngineSilent: nothing came within the limit.
        """
        while not self._parts:
            if self._complete:
                return b""
            await self._news()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def release(self, *, whole: bool) -> None:
        """Stop reading this answer.

        Args:
            whole: all that matters of it was read; otherwise the connection is closed, which tells the
                engine to stop computing.
        """
        self._released = True
        self._cancel_watchdog()
        if self._complete:
            self._give_back()
        elif whole and self.open:  # the end mark of the body is under way
            self._watchdog = self._loop.call_later(_DRAIN_SECONDS, self.close)
        else:
            self.close()

    def close(self) -> None:
        """Close at once."""
        self._cancel_watchdog()
        self._transport.abort()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is none by class

    def data_received(self, data: bytes) -> None:
        """Parse what came and wake who waits, once for all of it."""
        if self._complete:  # more than was asked for: this connection cannot be trusted again
            self._fail(ConnectionBroken("bytes after the answer"))
            self._transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionBroken(str(error)))
            self._transport.abort()
            return
        self._take_stock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits that nothing more comes."""
        self._cancel_watchdog()
        self._fail(ConnectionBroken("closed"))
        self._gone(self)

    # What the parser calls

    def on_headers_complete(self) -> None:
        """Take the status; an interim answer is not yet one."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status

    def on_body(self, body: bytes) -> None:
        """Keep a piece until it is read."""
        if not self._released:
            self._parts.append(body)
            self._held += len(body)

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        self._complete = self._status is not None
        self._kept_alive = self._parser.should_keep_alive()  # the parser knows it only now

    def _begin(self, limit: float) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._status, self._complete, self._released, self._limit = None, False, False, limit
        self._watchdog = self._loop.call_later(limit, self._look)

    async def _news(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        self._silent_since = self._loop.time()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _take_stock(self) -> None:
        if self._held > _MOST_HELD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()
        if self._complete and self._released:
            self._cancel_watchdog()
            self._give_back()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
        self._wake()

    def _look(self) -> None:
        """End a silence that is too long. One timer runs for the whole answer, not one for each wait."""
        rest = self._limit
        if self._waiter is not None:
            rest = self._silent_since + self._limit - self._loop.time()
        if rest > 0.001:
            self._watchdog = self._loop.call_later(rest, self._look)
        else:
            self._fail(EngineSilent())

    def _give_back(self) -> None:
        if self.open and self._kept_alive and not self._paused:
            self._parts.clear()
            self._held = 0
            self._reusable(self)
        else:
            self.close()

    def _cancel_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
