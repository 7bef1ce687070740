"""No answer depends on who else is served at the same time."""

import httpx
import pytest

from server.engine.process import runtime_dir
from tests.engine.conftest import RANDOM_ADAPTERS
from tests.engine.mixing import TOLERANCE, measure
from tests.engine.server import NO_IDLING, RunningServer

pytestmark = pytest.mark.anyio

PHASES = {"prefill", "chunked prefill", "decode", "warm prefix cache"}


async def test_each_persona_answers_as_it_does_alone_in_every_mix(server: RunningServer) -> None:
    socket = runtime_dir(server.data_dir) / "engine.sock"
    models = ["base", *(f"{name}@1" for name in RANDOM_ADAPTERS)]
    transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=NO_IDLING)
    async with httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=300) as http:
        differences = await measure(http, models)
    assert set(differences.worst) == PHASES
    assert max(differences.worst.values()) <= TOLERANCE, differences.worst
