"""Long and random: the gateway over an engine that misbehaves. Run by `make soak`."""

import random
import time

import anyio
import psutil
import pytest

from tests.fakes.engine import Reply
from tests.server.conftest import Gateway

pytestmark = [pytest.mark.anyio, pytest.mark.soak]

REQUESTS = 4000
_MOST_GROWTH = 40_000_000
"""Bytes of resident memory."""


async def test_thousands_of_answers_and_failures_leave_memory_flat_and_every_answer_whole(
    gateway: Gateway,
) -> None:
    seed = int(time.time())
    print(f"seed {seed}")  # noqa: T201  needed to repeat a failure
    chance = random.Random(seed)
    process = psutil.Process()
    for warm_up in (True, False):
        for _ in range(200 if warm_up else REQUESTS):
            words = " ".join(chance.choices(["one", "two", "three", "[1]", "[9]"], k=chance.randint(1, 40)))
            dies = chance.random() < 0.2
            reply = Reply(words, dies_after=chance.randint(0, 5)) if dies else Reply(words)
            gateway.engine.will(reply)
            await _ask(gateway, chance, dies)
        if warm_up:
            before = process.memory_info().rss
    assert process.memory_info().rss - before < _MOST_GROWTH


async def _ask(gateway: Gateway, chance: random.Random, dies: bool) -> None:
    stream = chance.random() < 0.5
    body = {"model": "plain", "messages": [{"role": "user", "content": "Go"}], "stream": stream}
    async with gateway.http() as http:
        with anyio.fail_after(30):
            response = await http.post("/v1/chat/completions", json=body)
    whole = response.status_code == 200 and '"error"' not in response.text
    assert whole or dies
    if stream and whole:
        assert response.text.strip().endswith("data: [DONE]")
