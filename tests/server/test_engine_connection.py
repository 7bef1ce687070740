"""The connection to the engine: kept, cut up, silent, slow, and broken at every place."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from core.errors import Unavailable, UpstreamFailed
from server.engine.client import EngineClient
from tests.fakes.engine import running_engine

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FRAME = b'data: {"choices":[],"part":%d}\n\n'
DONE = b"data: [DONE]\n\n"
Behaviour = Callable[["Wire"], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


WHOLE = HEAD + chunk(FRAME % 1 + FRAME % 2) + chunk(DONE) + b"0\r\n\r\n"


@dataclass
class Wire:
    """One request as the scripted server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def left(self) -> None:
        """Wait until the client has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1024):
                pass


@dataclass
class Server:
    """A server that answers each request, over all its connections, with the next behaviour."""

    url: str = ""
    connections: int = 0
    requests: int = 0
    script: list[Behaviour] = field(default_factory=list)
    handlers: set["asyncio.Task[None] | None"] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.handlers.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                await reader.readexactly(int(length.partition(b":")[2]))
                self.requests += 1
                await self.script.pop(0)(Wire(reader, writer))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def scripted(*script: Behaviour, stall: float = 20) -> AsyncIterator[tuple[EngineClient, Server]]:
    served = Server(script=list(script))
    async with await asyncio.start_server(served.serve, "127.0.0.1", 0) as listening:
        served.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        client = EngineClient(base_model="base", urls=[served.url], stall_seconds=stall)
        try:
            yield client, served
        finally:
            await client.aclose()
            await asyncio.gather(*(handler for handler in served.handlers if handler))


async def parts(client: EngineClient) -> list[object]:
    return [dict(frame)["part"] async for frame in client.stream("base", {})]


async def listening(url: str) -> None:
    """Wait until somebody takes connections at `url`."""
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.close()
            return await writer.wait_closed()
        await asyncio.sleep(0.05)


async def whole(wire: Wire) -> None:
    await wire.send(WHOLE)


async def byte_by_byte(wire: Wire) -> None:
    for position in range(len(WHOLE)):
        await wire.send(WHOLE[position : position + 1])
        await asyncio.sleep(0)


async def broken(wire: Wire) -> None:
    await wire.send(HEAD + chunk(FRAME % 1))
    wire.writer.close()


async def nonsense(wire: Wire) -> None:
    await wire.send(HEAD + b"no chunk\r\n")


async def mute(wire: Wire) -> None:
    await wire.left()


async def test_one_connection_carries_request_after_request() -> None:
    async with scripted(whole, whole, whole) as (client, server):
        assert [await parts(client) for _ in range(3)] == [[1, 2]] * 3
        assert (server.connections, server.requests) == (1, 3)


async def test_bytes_that_come_one_by_one_make_the_same_frames() -> None:
    async with scripted(byte_by_byte) as (client, _):
        assert await parts(client) == [1, 2]


async def test_a_kept_connection_that_was_closed_is_dialled_anew() -> None:
    async def whole_then_close(wire: Wire) -> None:
        await wire.send(WHOLE)
        wire.writer.close()

    async with scripted(whole_then_close, whole) as (client, server):
        assert await parts(client) == [1, 2]
        assert await parts(client) == [1, 2]
        assert server.connections == 2


async def test_a_request_that_the_engine_gave_up_after_a_while_is_not_sent_again() -> None:
    async def work_then_close(wire: Wire) -> None:
        await asyncio.sleep(0.6)
        wire.writer.close()

    async with scripted(whole, work_then_close, whole) as (client, server):
        assert await parts(client) == [1, 2]
        with pytest.raises(UpstreamFailed):
            await parts(client)
        assert server.requests == 2


async def test_a_connection_that_was_left_full_does_not_carry_the_next_request() -> None:
    """The client stops reading, and the bytes that stop the engine's sending bring the end of the answer along."""
    reading, through = asyncio.Event(), asyncio.Event()

    async def gorge(wire: Wire) -> None:
        await wire.send(HEAD + chunk(FRAME % 1))
        await reading.wait()
        await wire.send(chunk(b": " + b"x" * 200_000 + b"\n"))
        await asyncio.sleep(0.3)
        await wire.send(chunk(b": " + b"x" * 100_000 + b"\n") + chunk(DONE) + b"0\r\n\r\n")
        await asyncio.sleep(0.3)
        through.set()

    async with scripted(gorge, whole) as (client, _):
        frames = client.stream("base", {})
        await anext(frames)
        reading.set()
        await through.wait()
        await frames.aclose()
        assert await asyncio.wait_for(parts(client), 10) == [1, 2]


@pytest.mark.parametrize("behaviour", [broken, nonsense])
async def test_an_answer_that_breaks_off_or_is_no_http_is_an_error_and_its_connection_is_not_used_again(
    behaviour: Behaviour,
) -> None:
    async with scripted(behaviour, whole) as (client, server):
        with pytest.raises(UpstreamFailed):
            await parts(client)
        assert await parts(client) == [1, 2]
        assert server.connections == 2


async def test_silence_beyond_the_limit_is_an_error() -> None:
    async with scripted(mute, stall=0.1) as (client, _):
        with pytest.raises(UpstreamFailed) as caught:
            await parts(client)
    assert caught.value.code == "engine_stalled"


async def test_a_reader_that_stops_closes_the_connection() -> None:
    left = asyncio.Event()

    async def endless(wire: Wire) -> None:
        await wire.send(HEAD + chunk(FRAME % 1))
        await wire.left()
        left.set()

    async with scripted(endless) as (client, _):
        frames = client.stream("base", {})
        await anext(frames)
        await frames.aclose()
        await asyncio.wait_for(left.wait(), 10)


async def test_a_slow_reader_stops_the_engines_sending_and_loses_nothing() -> None:
    count, text = 3_000, "x" * 10_000  # 30 MB, more than the kernel's buffers hold
    piece = b'data: {"choices":[],"part":"%b"}\n\n' % text.encode()
    sent = 0

    async def flood(wire: Wire) -> None:
        nonlocal sent
        await wire.send(HEAD)
        for _ in range(count):
            await wire.send(chunk(piece))
            sent += 1
        await wire.send(chunk(DONE) + b"0\r\n\r\n")

    async with scripted(flood) as (client, _):
        frames = client.stream("base", {})
        await anext(frames)
        before = -1
        while sent != before:  # until the engine's side has come to a standstill
            before = sent
            await asyncio.sleep(0.2)
        assert sent < count
        assert 1 + len([frame async for frame in frames]) == count


async def test_nobody_at_the_address_is_unavailable() -> None:
    client = EngineClient(base_model="base", urls=["http://127.0.0.1:9"])
    with pytest.raises(Unavailable):
        await parts(client)


async def test_an_engine_whose_probe_failed_is_not_asked() -> None:
    with running_engine() as dead, running_engine() as live:
        answering = {live.url}
        client = EngineClient(base_model="base", urls=[dead.url, live.url], answering=lambda: answering)
        await listening(dead.url)
        await listening(live.url)
        for _ in range(4):
            await client.chat("base", {"messages": []})
        assert (len(dead.requests), len(live.requests)) == (0, 4)
        answering.clear()  # then every address is tried
        for _ in range(2):
            await client.chat("base", {"messages": []})
        assert (len(dead.requests), len(live.requests)) == (1, 5)
        await client.aclose()
