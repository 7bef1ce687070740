"""The gateway of `tests/server` over the fake engine, and a clerk with two actions."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.crm import Crm, running_crm
from tests.server.conftest import Gateway, Start, anyio_backend, engine, gateway, start
from tests.server.test_actions import CLERK, DOCUMENT

__all__ = ["anyio_backend", "engine", "gateway", "start"]


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


@pytest.fixture
async def clerk(start: Start, crm: Crm, tmp_path: Path) -> AsyncIterator[Gateway]:
    """The personas `clerk` (guided calling) and `native`, who look contacts up and remove them."""
    (tmp_path / "contacts.yaml").write_text(DOCUMENT)
    guided = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
    native = CLERK.replace("URL", crm.url).replace("CALLING", "native").replace("id: clerk", "id: native")
    async with start({"clerk": guided, "native": native}, private_hosts=crm.host) as running:
        assert running.services.personas.problems == ()
        yield running
