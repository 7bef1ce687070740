"""Many at once are served alike, and a server that has answered thousands is no larger than before."""

import asyncio
import statistics

import pytest

from tests.engine.server import RunningServer
from tests.faults.load import run, stream_seconds

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600), pytest.mark.alone]
_STREAMS = 200
_TOKENS = 32
_PAUSE = 0.1
"""Seconds between tokens: two thousand of them a second, which leaves time for client and engine on two cores."""

_REQUESTS = 2_000
_MOST_GROWTH = 8_000_000
"""Bytes over these requests; a leak of a whole answer each would be several times that."""


async def test_two_hundred_streams_at_once_take_about_the_same_time(server: RunningServer) -> None:
    await stream_seconds(server)
    asked = [stream_seconds(server, text="word " * _TOKENS, pause=_PAUSE) for _ in range(_STREAMS)]
    seconds = await asyncio.gather(*asked)
    assert min(seconds) > _TOKENS * _PAUSE  # so they did run at once
    assert max(seconds) <= 2 * statistics.median(seconds)


async def test_memory_stays_flat_over_two_thousand_requests(server: RunningServer) -> None:
    await run(server, lambda asked: asked < 300)
    tally = await run(server, lambda asked: asked < _REQUESTS, sample=50)
    assert tally.wrong == []
    assert tally.outcomes == {"whole": _REQUESTS}
    assert tally.growth() < _MOST_GROWTH
