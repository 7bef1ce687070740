"""The ledger of usage: counted in memory at once, written to the database each second.

A killed process loses what it counted since the last writing: one second of finished requests. What could
not be written (a full disk, a locked database) is kept and written later. The sum of a day so far is memory,
too, read from the database once for each day.
"""

import logging
import threading
from dataclasses import asdict, fields

import anyio
from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert

from core.database import Database
from core.errors import Unavailable
from core.ids import PrincipalId
from server.usage import tables
from server.usage.counts import NOTHING, Counts
from server.usage.report import Line, Wanted, report

WRITE_SECONDS = 1.0
_OPEN_SECONDS = 0.5

_COLUMNS = tuple(field.name for field in fields(Counts))
Row = tuple[str, PrincipalId, str]
"""Day, holder, persona."""

logger = logging.getLogger(__name__)


class Ledger:
    """Counts requests by day, holder and persona."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._unwritten: dict[Row, Counts] = {}
        self._day = ""
        self._today: dict[PrincipalId, Counts] = {}

    def add(self, day: str, principal: PrincipalId, persona: str, counts: Counts) -> None:
        """Count something. Reads and writes memory only."""
        row = (day, principal, persona)
        with self._lock:
            self._unwritten[row] = self._unwritten.get(row, NOTHING) + counts
            if day == self._day:
                self._today[principal] = self._today.get(principal, NOTHING) + counts

    def of_day(self, day: str, principal: PrincipalId) -> Counts:
        """Return what a holder has used on `day`; the database is read when the day is another than the last.

        Raises:
            Unavailable: it cannot be read.
        """
        if day != self._day:
            self._open(day)
        return self._today.get(principal, NOTHING)

    def report(self, wanted: Wanted) -> tuple[Line, ...]:
        """Return sums of what was used until now. Blocking."""
        self._write_if_possible()
        return report(self._database, wanted)

    def write(self) -> None:
        """Write what is new, in one transaction. Blocking.

        Raises:
            Unavailable: it cannot be written now; it is kept.
        """
        with self._writing:
            with self._lock:
                batch, self._unwritten = self._unwritten, {}
            if not batch:
                return
            try:
                self._insert(batch)
            except BaseException:
                with self._lock:
                    for row, counts in batch.items():
                        self._unwritten[row] = counts + self._unwritten.get(row, NOTHING)
                raise

    async def run(self) -> None:
        """Write each second, and once more at the end."""
        limiter = anyio.CapacityLimiter(1)  # of its own: a full pool of threads must not hold the writing up
        try:
            while True:
                await anyio.sleep(WRITE_SECONDS)
                await anyio.to_thread.run_sync(self._write_if_possible, limiter=limiter)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._write_if_possible, limiter=limiter)

    def _write_if_possible(self) -> None:
        try:
            self.write()
        except Unavailable as error:
            logger.warning("Usage is kept in memory until it can be written: %s", error.message)

    def _insert(self, batch: dict[Row, Counts]) -> None:
        statement = insert(tables.usage)
        added = {name: tables.usage.c[name] + statement.excluded[name] for name in _COLUMNS}
        rows = [
            {"day": day, "principal": principal, "persona": persona, **asdict(counts)}
            for (day, principal, persona), counts in batch.items()
        ]
        with self._database.write() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["day", "principal", "persona"], set_=added), rows
            )

    def _open(self, day: str) -> None:
        """Begin a day: the clock has reached it, or has been set."""
        sums = [func.sum(tables.usage.c[name]) for name in _COLUMNS]
        query = select(tables.usage.c.principal, *sums).where(tables.usage.c.day == day)
        if not self._writing.acquire(timeout=_OPEN_SECONDS):  # no row may be between memory and database
            raise Unavailable("The usage of this day cannot be read yet. Try again.", retry_after=2)
        try:
            with self._database.read() as connection:
                found = connection.execute(query.group_by(tables.usage.c.principal)).all()
            with self._lock:
                self._day = day
                self._today = {PrincipalId(row[0]): Counts(*row[1:]) for row in found}
                for (known, principal, _), counts in self._unwritten.items():
                    if known == day:
                        self._today[principal] = self._today.get(principal, NOTHING) + counts
        finally:
            self._writing.release()
