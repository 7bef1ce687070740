"""Where faults are made: a world of files with stand-ins for the models, and the gateway in process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.server import RunningServer
from tests.faults.world import World
from tests.server.conftest import anyio_backend, engine, gateway, start

__all__ = ["anyio_backend", "engine", "gateway", "start"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path / "world")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A whole server that waits two seconds for a client; it is shared, as its start takes longest."""
    world = World.make(tmp_path_factory.mktemp("shared") / "world")
    with world.server(REPERTORY_CLIENT_SECONDS="2") as running:
        running.wait_ready()
        yield running
