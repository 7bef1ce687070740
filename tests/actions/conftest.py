"""What the tests of actions stand on: a clock that only a test moves, a database, and the worlds of OAuth."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database
from tests.actions.moved_clock import MovedClock
from tests.actions.oauth_world import World
from tests.databases import new_database
from tests.fakes.oauth import OAuthService, running_oauth


@pytest.fixture
def time() -> MovedClock:
    return MovedClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path / "repertory.db")
    yield database
    database.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def service() -> Iterator[OAuthService]:
    with running_oauth() as running:
        yield running


@pytest.fixture
def people(service: OAuthService, tmp_path: Path) -> Iterator[World]:
    world = World(service, tmp_path, "oauth2_authorization_code")
    yield world
    world.database.close()


@pytest.fixture
def machine(service: OAuthService, tmp_path: Path) -> Iterator[World]:
    world = World(service, tmp_path, "oauth2_client_credentials")
    yield world
    world.database.close()
