"""Takes finished turns from the event loop and writes them in batches; deletes what is old.

A turn never waits for its transcript. What is not written yet is lost if the process is killed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import anyio

from core.callbacks import nothing
from core.clock import Clock
from core.database import Database
from core.errors import RepertoryError
from server.transcripts.store import Transcripts
from server.transcripts.transcript import Keep
from server.transcripts.upkeep import Retention, Upkeep
from server.turn.record import TurnRecord

_PAUSE = 0.25  # gathers turns, so that a busy server pays for few transactions
_LONGEST_PAUSE = 30.0
_BATCH = 500
_MOST_WAITING = 10_000
_SWEEP_SECONDS = 3600.0

logger = logging.getLogger(__name__)


class Recorder:
    """An observer of turns.

    Args:
        keep: how much the operator keeps; a persona may lower it.
        retention: how long.
        expire: told the time, where it can be believed, by whoever else keeps things for days.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        keep: Keep,
        retention: Retention,
        expire: Callable[[float], object] = nothing,
    ) -> None:
        self._upkeep = Upkeep(database)
        self.store = Transcripts(database, self._upkeep)
        self._clock = clock
        self._keep = keep
        self._retention = retention
        self._expire = expire
        self._waiting: deque[TurnRecord] = deque()
        self._wake = asyncio.Event()
        self._writing = anyio.Lock()
        self._dropped = 0

    def keeps(self, limit: str | None) -> Keep:
        """Return how much is kept of the turns of a persona with this limit."""
        return self._keep.at_most(limit)

    def finished(self, record: TurnRecord) -> None:
        """Take a finished turn."""
        if self._keep is Keep.OFF or record.private:
            return
        if len(self._waiting) >= _MOST_WAITING:  # the database has been away for long
            self._dropped += 1
            return
        self._waiting.append(record)
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled, and then what is left."""
        pause = _PAUSE
        try:
            while True:
                await self._wake.wait()
                await anyio.sleep(pause)
                try:
                    await self.flush()
                    pause = _PAUSE
                except RepertoryError as error:
                    pause = min(pause * 2, _LONGEST_PAUSE)
                    logger.error("%d transcripts wait: %s", len(self._waiting), error.message)
        finally:
            with anyio.CancelScope(shield=True):
                await self._last_flush()

    async def flush(self) -> None:
        """Write everything that has finished so far.

        Raises:
            Unavailable: the database takes nothing; the turns wait on.
        """
        async with self._writing:
            self._wake.clear()
            try:
                while batch := list(self._waiting)[:_BATCH]:
                    await anyio.to_thread.run_sync(self.store.add, batch)
                    for _ in batch:
                        self._waiting.popleft()
            finally:
                if self._waiting:
                    self._wake.set()
        if self._dropped:
            logger.error("%d transcripts were dropped: the database was away for too long.", self._dropped)
            self._dropped = 0

    async def sweep(self) -> None:
        """Delete what is old, at once and every hour, until cancelled."""
        while True:
            try:
                await anyio.to_thread.run_sync(self._tidy)
            except RepertoryError as error:
                logger.error("old transcripts stay for another hour: %s", error.message)
            await anyio.sleep(_SWEEP_SECONDS)

    async def erase(self) -> bool:
        """Take the bytes of deleted rows out of the file; False if nothing was erased now."""
        try:
            return await anyio.to_thread.run_sync(self._upkeep.erase, self._clock())
        except RepertoryError as error:
            logger.error("deleted transcripts are still in the file's free space: %s", error.message)
            return False

    def _tidy(self) -> None:
        now = self._clock()
        if self._upkeep.believes(now):
            self._expire(now)
        if count := self._upkeep.sweep(now, self._retention):
            logger.info("%d transcripts or texts of them were deleted after their days.", count)
        self._upkeep.erase(now)

    async def _last_flush(self) -> None:
        try:
            await self.flush()
        except RepertoryError as error:
            logger.error("%d transcripts are lost: %s", len(self._waiting), error.message)
