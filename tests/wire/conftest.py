"""The gateway of `tests/server` over the fake engine, and one with personas that have actions."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.crm import Crm, running_crm
from tests.server.conftest import Gateway, Start, anyio_backend, engine, gateway, start
from tests.wire.surface import clerks

__all__ = ["anyio_backend", "engine", "gateway", "start"]


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


@pytest.fixture
async def clerk(start: Start, crm: Crm, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with clerks(start, crm, tmp_path, "clerk", "native") as running:
        yield running
