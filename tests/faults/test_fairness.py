"""Many at once are served alike, and a server that has answered thousands is no larger than before."""

import statistics

import anyio
import pytest

from tests.engine.server import RunningServer
from tests.faults.load import client, run, stream_seconds

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]
_STREAMS = 200
_REQUESTS = 2_000
_MOST_GROWTH = 8_000_000
"""Bytes over these requests; a leak of a whole answer each would be several times that."""


async def test_two_hundred_streams_at_once_take_about_the_same_time(server: RunningServer) -> None:
    seconds: list[float] = []

    async def one() -> None:
        seconds.append(await stream_seconds(http, text="word " * 32, pause=0.01))

    async with client(server, _STREAMS) as http:
        await stream_seconds(http)
        async with anyio.create_task_group() as group:
            for _ in range(_STREAMS):
                group.start_soon(one)
    assert len(seconds) == _STREAMS
    assert max(seconds) <= 2 * statistics.median(seconds)


async def test_memory_stays_flat_over_two_thousand_requests(server: RunningServer) -> None:
    await run(server, lambda asked: asked < 300)
    tally = await run(server, lambda asked: asked < _REQUESTS, sample=50)
    assert tally.wrong == []
    assert tally.outcomes == {"whole": _REQUESTS}
    assert tally.growth() < _MOST_GROWTH
