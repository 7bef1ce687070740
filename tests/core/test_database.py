"""The database keeps what it accepted, and says in words when it cannot."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from core.database import Database
from core.errors import Unavailable

metadata = MetaData()
counts = Table("counts", metadata, Column("number", Integer, primary_key=True))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "test.db")
    metadata.create_all(opened.engine)
    yield opened
    opened.close()


def _count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(counts)).scalar_one())


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(insert(counts).values(number=1))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()
    assert _count(database) == 0


def test_writers_wait_for_each_other(database: Database) -> None:
    def add(first: int) -> None:
        for number in range(first, first + 25):
            with database.write() as connection:
                seen = connection.execute(select(func.count()).select_from(counts)).scalar_one()
                assert seen is not None
                connection.execute(insert(counts).values(number=number))

    writers = [threading.Thread(target=add, args=(first,)) for first in (0, 100, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert _count(database) == 75


def test_what_is_written_is_synced_to_the_disk(database: Database) -> None:
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_locked_database_is_reported_in_words(database: Database) -> None:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def write_without_patience() -> None:
        with database.read() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="locked by another program"):
        write_without_patience()
    other.close()
