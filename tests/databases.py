"""Databases for tests: made by the migrations once in a process, then copied."""

import tempfile
from functools import cache
from pathlib import Path

from core.database import Database
from server.migrations import migrate


def new_database(path: Path) -> Database:
    """Open a database with all tables; a file that is there is opened as it is."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_migrated())
    return Database(path)


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "repertory.db")
        migrate(database)
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        return (Path(folder) / "repertory.db").read_bytes()
