"""The SQLite database: one file, the truth. Knows no table; each feature declares its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.errors import Unavailable

_BUSY_TIMEOUT_MS = 5_000


class Database:
    """A SQLAlchemy engine over SQLite in WAL mode with `synchronous=FULL`.

    What `write` has committed survives a power cut, unless the caller says that it need not. Writers take
    the lock at the start of the transaction (`BEGIN IMMEDIATE`), so that two of them wait for each other
    instead of failing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine: Engine = create_engine(f"sqlite:///{path}", pool_size=8, max_overflow=24)
        event.listen(self.engine, "connect", _configure)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a short read transaction."""
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a read transaction of one moment: what is read in it belongs together."""
        with self.read() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """Open a write transaction; commit at the end, roll back on an exception.

        Args:
            durable: wait for the disk at the commit. Without it the commit survives a kill of the process,
                while a power cut may take the last ones away.

        Raises:
            Unavailable: the database is locked, or the disk is full.
        """
        with _translated(), self.engine.connect() as connection, _synchronous(connection, full=durable):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves; the driver would say it too late
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


@contextmanager
def _synchronous(connection: Connection, *, full: bool) -> Iterator[None]:
    """Let commits wait for the disk, or not: in WAL mode `NORMAL` does not (SQLite, PRAGMA synchronous)."""
    if full:
        yield
        return
    connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA synchronous=FULL")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:  # every connection waits for a lock that somebody else holds
        raise _locked() from error
    except OperationalError as error:
        reason = str(error.orig)
        if "locked" in reason or "busy" in reason:
            raise _locked() from error
        if "full" in reason or "disk I/O" in reason:
            raise disk_full() from error
        if "unable to open" in reason or "readonly" in reason:
            raise Unavailable(
                "The database cannot be opened or written. Check the owner and the rights of the data directory, "
                "and that the disk is there.",
                code="database_unavailable",
                retry_after=30,
            ) from error
        raise


def disk_full() -> Unavailable:
    """Return what is said when the data directory takes no more bytes."""
    return Unavailable(
        "The disk that holds the data directory is full or failing. Free some space; nothing was changed.",
        code="disk_full",
        retry_after=30,
    )


def _locked() -> Unavailable:
    return Unavailable(
        "The database is locked by another program. Try again in a moment.",
        code="database_locked",
        retry_after=2,
    )
