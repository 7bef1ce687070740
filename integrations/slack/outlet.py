"""Where an answer goes while it comes: as many messages as its length needs, each written in few calls."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from core.errors import RepertoryError
from integrations.slack.message import Blocks, Growing
from integrations.slack.splitting import cut, open_code
from integrations.slack.workspace import Answer

_PIECE = 400
"""Characters after which text goes out even if the last went out a moment ago."""


class Outlet:
    """Buffers text and tasks, and begins a new message where one is full.

    Args:
        begin: makes the next message.
        pause: seconds between two calls of Slack, at least.
    """

    def __init__(self, begin: Callable[[], Growing], *, pause: float) -> None:
        self._begin = begin
        self._pause = pause
        self._message = begin()
        self._buffer = ""
        self._tasks: list[Answer] = []
        self._length = 0
        self._in_code = False
        self._sent_at = -pause
        self._calling = asyncio.Lock()
        self._failed: RepertoryError | None = None

    @asynccontextmanager
    async def keeping_up(self) -> AsyncIterator[None]:
        """Meanwhile, send what waits for the pause to pass, even if the answer falls silent."""
        timer = asyncio.create_task(self._keep_up())
        try:
            yield
        finally:
            timer.cancel()

    async def write(self, text: str) -> None:
        """Take a piece of the answer."""
        async with self._call():
            self._buffer += text
            if len(self._buffer) >= _PIECE or time.monotonic() - self._sent_at >= self._pause:
                await self._flush()

    async def task(self, task: Answer) -> None:
        """Show what a task has come to."""
        async with self._call():
            self._tasks.append(task)
            await self._flush()

    async def end(self, blocks: Blocks) -> None:
        """Send the rest, and put blocks under the last message."""
        async with self._call():
            await self._fill()
            await self._message.end(self._take(len(self._buffer)), self._taken_tasks(), blocks)

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[None]:
        """Wait for the timer's call; what that could not send fails here, where somebody hears of it."""
        async with self._calling:
            if self._failed is not None:
                raise self._failed
            yield

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            async with self._calling:
                try:
                    await self._flush()
                    await self._message.add("", ())  # a message that is edited waits longer than this
                except RepertoryError as error:
                    self._failed = error
                    return

    async def _flush(self) -> None:
        await self._fill()
        held = 1 if self._buffer.endswith("<") else 0  # the next piece tells whether it is a mention
        text = self._take(len(self._buffer) - held)
        if text.strip() or self._tasks:
            await self._message.add(text, self._taken_tasks())
            self._sent_at = time.monotonic()
        else:
            self._buffer = text + self._buffer

    async def _fill(self) -> None:
        """Begin new messages while the buffer is more than the room that is left."""
        while self._length + len(self._buffer) > self._message.room:
            head, self._buffer = cut(self._buffer, self._message.room - self._length, in_code=self._in_code)
            await self._message.end(head, self._taken_tasks(), ())
            self._message, self._length, self._in_code = self._begin(), 0, False

    def _take(self, count: int) -> str:
        text, self._buffer = self._buffer[:count], self._buffer[count:]
        self._length += len(text)
        self._in_code = open_code(text, in_code=self._in_code)
        return text

    def _taken_tasks(self) -> list[Answer]:
        tasks, self._tasks = self._tasks, []
        return tasks
