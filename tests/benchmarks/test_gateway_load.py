"""The load generator counts what a server with known times does, and calls a torn answer a failure."""

import asyncio
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.gateway_load import Job, Outcome
from benchmarks.gateway_parts import load, upstream
from benchmarks.gateway_upstream import FIRST_SECONDS, GAP_SECONDS, TOKENS

_DELAY = 0.2


@contextmanager
def relay(port: int, *, most_bytes: int = sys.maxsize) -> Iterator[int]:
    """Run a relay that hands on whatever comes `_DELAY` late, and hangs up after `most_bytes` of answer."""
    started: list[int] = []
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection("127.0.0.1", port)
        asking = asyncio.create_task(copy(reader, back, 0))
        await copy(onward, writer, _DELAY)
        asking.cancel()
        back.close()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
        loop, left = asyncio.get_running_loop(), most_bytes
        while left > 0 and (data := await source.read(65536)):
            left -= len(data)
            loop.call_later(delay, sink.write, data)
        loop.call_later(delay, sink.close)

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            loops.append(asyncio.get_running_loop())
            started.append(server.sockets[0].getsockname()[1])
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(20)
    yield started[0]
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(20)


@pytest.fixture(scope="module")
def outcomes() -> "Iterator[tuple[Outcome, Outcome, Outcome]]":
    """Ask the upstream directly, through a relay that is late, and through one that hangs up."""
    with tempfile.TemporaryDirectory() as folder, upstream(Path(folder)) as port, load(Path(folder)) as generator:

        def asked(through: int) -> Outcome:
            return generator.run(Job(through, port, "base", seconds=1.0, tokens=len(TOKENS), rate=20.0, seed=3))

        direct = asked(port)
        with relay(port) as late, relay(port, most_bytes=3_000) as torn:
            yield direct, asked(late), asked(torn)


def test_every_request_is_counted_and_the_same_seed_asks_as_often(
    outcomes: tuple[Outcome, Outcome, Outcome],
) -> None:
    direct, late, torn = outcomes
    assert direct.whole == direct.asked == late.whole == late.asked == torn.asked > 5
    assert len(direct.first) == direct.whole
    assert len(direct.delays) == direct.whole * (len(TOKENS) - 1)


def test_a_known_delay_is_found_in_the_first_token_and_in_each_later_one(
    outcomes: tuple[Outcome, Outcome, Outcome],
) -> None:
    direct, late, _ = outcomes
    assert min(direct.first) >= FIRST_SECONDS - 0.002  # uvloop's clock has a step of a millisecond
    assert min(direct.gaps) >= GAP_SECONDS / 2
    assert min(late.first) >= FIRST_SECONDS + _DELAY - 0.002
    assert min(late.delays) >= _DELAY - 0.002
    assert statistics.median(direct.delays) < statistics.median(late.delays)


def test_an_answer_that_breaks_off_is_a_failure(outcomes: tuple[Outcome, Outcome, Outcome]) -> None:
    torn = outcomes[2]
    assert (torn.whole, torn.failed) == (0, torn.asked)
    assert torn.problem
