"""A tiny base, a registry over real SQLite, and limits that the tiny adapters keep."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters import BaseModel, ImportLimits, Registry, tables
from adapters.evaluation import tables as evaluation_tables
from core.database import Database
from tests.adapters.tiny import make_base

LIMITS = ImportLimits(max_rank=8, max_bytes=1_000_000)


@dataclass
class Ticker:
    """A clock that goes on by a second each time it is asked."""

    now: float = field(default=1000.0)

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture(scope="session")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def base(base_dir: Path) -> BaseModel:
    return BaseModel.load(base_dir)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "test.db")
    for one in (tables, evaluation_tables):
        one.metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def registry(database: Database, tmp_path: Path) -> Registry:
    return Registry(database, tmp_path / "adapters", Ticker())
