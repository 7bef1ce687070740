"""What the tests of actions stand on: a clock that only a test moves, a database with the tables of actions."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actions.tables import metadata
from core.database import Database
from tests.actions.moved_clock import MovedClock


@pytest.fixture
def time() -> MovedClock:
    return MovedClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "repertory.db")
    metadata.create_all(database.engine)
    yield database
    database.close()
