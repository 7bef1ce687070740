"""A rollout on the real engine: a canary under traffic, and its end within 50 ms and without a load."""

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.adapters import write_random_adapter
from tests.engine.server import RunningServer, repertory_cli

pytestmark = pytest.mark.anyio
_WITHIN = 0.05


async def test_a_stopped_canary_answers_nobody_who_asks_50_ms_later_and_nothing_is_loaded(
    server: RunningServer, base_dir: Path, tmp_path: Path
) -> None:
    folder = write_random_adapter(tmp_path / "tried", base_dir, seed=78)
    repertory_cli(server, "adapter", "import", str(folder), "--name", "alpha")
    numbers, over = itertools.count(), asyncio.Event()
    answers: list[tuple[float, str, int]] = []

    async with httpx.AsyncClient(base_url=server.url, timeout=120, headers=server.admin) as http:

        async def done(path: str, **body: Any) -> dict[str, Any]:
            response = await http.post(path, json=body)
            assert response.is_success, response.text
            told: dict[str, Any] = response.json()
            return told

        async def clients() -> None:
            while not over.is_set():
                body = {
                    "model": "trial",
                    "messages": [{"role": "user", "content": "Hello"}],
                    "max_tokens": 3,
                    "ignore_eos": True,
                    "user": f"user-{next(numbers)}",
                    "repertory": {"include": True},
                }
                began = time.monotonic()
                answer = await http.post("/v1/chat/completions", json=body)
                told = answer.json().get("repertory", {}).get("adapter", "")
                answers.append((began, told, answer.status_code))

        async def met(version: str, fewest: int) -> None:
            while sum(told == version for _, told, _ in answers) < fewest:
                await asyncio.sleep(0.05)

        versions = (await http.get("/api/adapters/alpha")).json()["versions"]
        tried = versions[-1]["version"]
        await done("/api/adapters/alpha/use", version=1, override=True, reason="a trial")
        await done(f"/api/adapters/alpha/versions/{tried}/approve", override=True, reason="a trial")
        stops = {"truncated": 1, "repeated": 1, "latency": 100}
        rollout = await done("/api/rollouts", adapter="alpha", version=tried, stage="50", stops=stops)
        async with asyncio.timeout(240), asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(clients())
            await met(f"alpha@{tried}", 3)
            await met("alpha@1", 3)
            await done(f"/api/rollouts/{rollout['id']}/stop", reason="a trial")
            stopped = time.monotonic()
            await met("alpha@1", sum(told == "alpha@1" for _, told, _ in answers) + 6)
            over.set()
        shown = (await http.get(f"/api/rollouts/{rollout['id']}")).json()
    late = [told for began, told, _ in answers if began > stopped + _WITHIN]
    assert {status for *_, status in answers} == {200}
    assert late
    assert set(late) == {"alpha@1"}
    assert shown["state"] == "stopped"
    assert shown["arms"]["canary"]["units"] >= 3
