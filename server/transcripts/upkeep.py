"""How transcripts go away: after their days, and for good from the file's bytes.

A deleted row leaves traces in a SQLite file, even under `secure_delete`, wherever a page was split or joined.
Only rewriting the file (`VACUUM`) and emptying its log removes them; both are owed until they are done.
"""

from dataclasses import dataclass

from sqlalchemy import Column, Connection, Row, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from core.database import Database
from core.errors import Unavailable
from server.transcripts.tables import contents, turns, upkeep

DAY = 86_400.0
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Retention:
    """Days after which texts, and whole transcripts, are deleted."""

    content_days: int
    metadata_days: int


class Upkeep:
    """Deletes what is old and erases what was deleted. Blocking; all who delete in a process share one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._debts = 0

    def owe(self, connection: Connection, column: Column[bool]) -> None:
        """Note in the same transaction that deleted bytes are still in the file."""
        _row(connection)
        connection.execute(update(upkeep).values({column.name: True}))
        self._debts += 1

    def believes(self, now: float) -> bool:
        """Tell whether `now` may decide what is old."""
        with self._database.write() as connection:
            return _believed(connection, now)

    def sweep(self, now: float, retention: Retention) -> int:
        """Delete what has been kept for its days, if the clock can be believed; return how many rows went."""
        with self._database.write() as connection:
            if not _believed(connection, now):
                return 0
            # Rows that a fast clock dated into the future would otherwise stay for longer than promised.
            connection.execute(update(turns).where(turns.c.kept_from > now).values(kept_from=now))
        texts = self._expire(now - retention.content_days * DAY, texts_only=True)
        return texts + self._expire(now - retention.metadata_days * DAY, texts_only=False)

    def erase(self, now: float) -> bool:
        """Rewrite the file if that is owed; what expired by itself waits until a day after the last time.

        Raises:
            Unavailable: the disk lacks room for a second copy, or the database is in use; it stays owed.
        """
        with self._database.write() as connection:
            state, debts = _row(connection), self._debts
        recently = state.erased_at is not None and 0 <= now - state.erased_at < DAY
        if not state.erasure_owed and (not state.expiry_owed or recently):
            return False
        with self._database.read() as connection:
            connection.exec_driver_sql("VACUUM")
        self._empty_log()
        with self._database.write() as connection:
            if self._debts == debts:  # else somebody has deleted more while the file was rewritten
                connection.execute(update(upkeep).values(erasure_owed=False, expiry_owed=False, erased_at=now))
        return True

    def _empty_log(self) -> None:
        with self._database.read() as connection:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
        if busy:
            raise Unavailable("The database is in use; its log is emptied later.", code="database_locked")

    def _expire(self, horizon: float, *, texts_only: bool) -> int:
        """Delete in small transactions, so that no request waits long for the lock."""
        count = 0
        old = select(turns.c.seq).where(turns.c.kept_from < horizon)
        if texts_only:
            old = old.join(contents)
        while True:
            with self._database.write() as connection:
                chosen = list(connection.execute(old.limit(_BATCH)).scalars())
                if not chosen:
                    return count
                connection.execute(delete(contents).where(contents.c.seq.in_(chosen)))
                if not texts_only:
                    connection.execute(delete(turns).where(turns.c.seq.in_(chosen)))
                self.owe(connection, upkeep.c.expiry_owed)
            count += len(chosen)


def _row(connection: Connection) -> Row[tuple[object, ...]]:
    first = {"id": 1, "erasure_owed": False, "expiry_owed": False}
    connection.execute(insert(upkeep).values(first).on_conflict_do_nothing())
    return connection.execute(select(upkeep)).one()


def _believed(connection: Connection, now: float) -> bool:
    """Tell whether `now` may decide what is old.

    A leap of more than a day since the last look, in either direction, may be a wrong clock, and would wipe
    everything out. It is believed once the clock has gone on from there for a day.
    """
    state = _row(connection)
    seen, doubted = state.clock_seen_at, state.clock_doubted_at
    steady = seen is None or abs(now - seen) <= DAY
    borne_out = doubted is not None and now - doubted >= DAY
    if steady or borne_out:
        connection.execute(update(upkeep).values(clock_seen_at=now, clock_doubted_at=None))
        return True
    if doubted is None or now < doubted:
        connection.execute(update(upkeep).values(clock_doubted_at=now))
    return False
