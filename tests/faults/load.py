"""Load on a whole server: many clients at once, each of which knows what it must be answered."""

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import orjson
import psutil

from tests.engine.server import RunningServer
from tests.faults.world import body

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MODELS = ("plain", "tuned", "other", "librarian")


@dataclass
class Tally:
    """What came of the requests.

    Attributes:
        outcomes: "whole", or the code of an error → how often.
        wrong: answers that are neither whole nor an error.
        memory: resident bytes of the gateway, after each batch of requests.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return sum(self.outcomes.values()) + len(self.wrong)

    def growth(self) -> float:
        """Return by how many bytes the memory grew from the first quarter of the samples to the last."""
        quarter = max(1, len(self.memory) // 4)
        return statistics.median(self.memory[-quarter:]) - statistics.median(self.memory[:quarter])


def client(server: RunningServer, connections: int) -> httpx.AsyncClient:
    """Return a client that keeps its connections."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncClient(base_url=server.url, limits=limits, timeout=120, trust_env=False)


async def stream_seconds(server: RunningServer, **reply: Any) -> float:
    """Return how long a stream took from its request to its end mark.

    Reads bare bytes: two hundred streams in a whole HTTP client would measure that client.
    """
    content = orjson.dumps(body(stream=True, **reply))
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    began = time.monotonic()
    writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
    try:
        await reader.readuntil(b"data: [DONE]\n\n")
    finally:
        writer.close()
    return time.monotonic() - began


async def run(
    server: RunningServer,
    going_on: Callable[[int], bool],
    *,
    clients: int = 8,
    sample: int = 100,
    faults: bool = False,
) -> Tally:
    """Ask as long as `going_on`, told the number of requests so far, says so.

    Args:
        server: who is asked.
        going_on: asked before each request.
        clients: how many ask at once.
        sample: after how many requests the memory is looked at.
        faults: whether the engine breaks off now and then.
    """
    tally, chance, asked = Tally(), random.Random(1), 0
    process = psutil.Process(server.process.pid)

    async def ask_on() -> None:
        nonlocal asked
        while going_on(asked):
            asked += 1
            if asked % sample == 0:
                tally.memory.append(process.memory_info().rss)
            await _ask(http, chance, tally, faults=faults)

    async with client(server, clients) as http, anyio.create_task_group() as group:
        for _ in range(clients):
            group.start_soon(ask_on)
    return tally


async def _ask(http: httpx.AsyncClient, chance: random.Random, tally: Tally, *, faults: bool) -> None:
    text = " ".join(chance.choices(_WORDS, k=chance.randint(1, 30)))
    reply: dict[str, object] = {"text": text}
    if faults and chance.random() < 0.05:
        reply[chance.choice(["dies_after", "error_after"])] = chance.randint(0, 5)
    asked = body(chance.choice(_MODELS), chance.random() < 0.5, **reply)
    try:
        response = await http.post("/v1/chat/completions", json=asked)
    except httpx.TransportError as error:
        tally.wrong.append(f"{type(error).__name__} for {asked}")
        return
    said, code = _streamed(response.text) if asked["stream"] and response.is_success else _whole(response)
    if code is not None:
        tally.outcomes[code] += 1
    elif said == text:
        tally.outcomes["whole"] += 1
    else:
        tally.wrong.append(f"{response.status_code} {said!r} for {asked}")


def _whole(response: httpx.Response) -> tuple[str | None, str | None]:
    told = response.json()
    if "error" in told:
        return None, f"{response.status_code} {told['error']['code']}"
    return told["choices"][0]["message"]["content"], None


def _streamed(text: str) -> tuple[str | None, str | None]:
    frames = [part.removeprefix("data: ") for part in text.split("\n\n") if part.startswith("data: ")]
    if not frames:
        return None, None
    last = frames.pop()
    if last != "[DONE]":
        told = orjson.loads(last)
        return None, f"mid-stream {told['error']['code']}" if "error" in told else None
    return "".join(orjson.loads(frame)["choices"][0]["delta"].get("content", "") for frame in frames), None
