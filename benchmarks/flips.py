"""A thousand changes of version under load: every answer must come wholly from a version that was current."""

import asyncio
import statistics
import time
from itertools import cycle, islice

import httpx

from benchmarks.section import Bench, Section
from benchmarks.served import INSTRUCTIONS, TRIAL, Served
from tests.engine.flipping import Flip, fingerprints, flipped, judged, traffic

FLIPS = 1000
CLIENTS = 4
TALKERS = 2


def _measure(bench: Bench) -> list[str]:
    return asyncio.run(_flips(bench.served(), 20 if bench.quick else FLIPS))


async def _flips(served: Served, count: int) -> list[str]:
    async with served.engine() as engine, served.gateway() as gateway:
        known = await fingerprints(engine, TRIAL, INSTRUCTIONS, (1, 2))
        told: list[float] = []

        async def use(version: int) -> httpx.Response:
            body = {"version": version, "override": True, "reason": "a measurement"}
            response = await gateway.post(f"/api/adapters/{TRIAL}/use", json=body)
            told.append(time.time())
            return response

        async def flip() -> list[Flip]:
            return await flipped(use, list(islice(cycle((2, 1)), count)))

        first = await flipped(use, [1])
        talk = [asyncio.create_task(_talk(gateway)) for _ in range(TALKERS)]
        began = time.monotonic()
        flips, answers = await traffic(gateway, TRIAL, CLIENTS, known, flip)
        seconds = time.monotonic() - began
        for talker in talk:
            talker.cancel()
        verdict = judged([*first, *flips], answers, known)
        decided = await _decided(gateway, count)
    delays = [1000 * (back - at) for back, at in zip(told[-count:], decided, strict=True)]
    takes = [flip.done - flip.asked for flip in flips]
    return [
        f"{count} times `use` between two versions in {seconds:.0f} s, under {CLIENTS} clients that ask the",
        f"persona without pause and {TALKERS} that stream long answers of another. Each answer's first tokens are",
        "compared with the log-probabilities that either version gives alone. Stale: of a version that was not",
        "current at any moment between the request and its answer (a request begun after `use` had returned must",
        "get the new one). Mixed: of neither version wholly.",
        "",
        "| flips | answers | failed | mixed | stale | `use`, median | `use`, longest "
        "| decided → visible to every later request, median | 99 % quantile | longest |",
        "|---|---|---|---|---|---|---|---|---|---|",
        f"| {len(flips)} | {len(answers)} | {verdict.failed} | {verdict.mixed} | {verdict.stale} "
        f"| {statistics.median(takes):.2f} s | {max(takes):.2f} s | {statistics.median(delays):.0f} ms "
        f"| {sorted(delays)[int(len(delays) * 0.99)]:.0f} ms | {max(delays):.0f} ms |",
        *([f"\nFirst failure: {verdict.problem}"] if verdict.problem else []),
    ]


async def _decided(gateway: httpx.AsyncClient, count: int) -> list[float]:
    """Return when each of the last flips was recorded as decided, by the wall clock of this machine."""
    history = (await gateway.get(f"/api/adapters/{TRIAL}")).raise_for_status().json()["history"]
    return [step["at"] for step in history if step["to"] == "production"][-count:]


async def _talk(gateway: httpx.AsyncClient) -> None:
    """Stream long answers of another persona, one after the other."""
    messages = [{"role": "user", "content": "Tell me of the harbour."}]
    body = {"model": "tuned", "messages": messages, "max_tokens": 400, "ignore_eos": True, "stream": True}
    while True:
        async with gateway.stream("POST", "/v1/chat/completions", json=body) as response:
            async for _ in response.aiter_raw():
                pass


SECTION = Section("flips", "Changing versions under load", _measure)
