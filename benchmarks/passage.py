"""What the gateway costs a busy engine: tokens per second through it over those of the engine's own socket."""

import asyncio
import itertools
import statistics
import time
from dataclasses import dataclass

import httpx

from benchmarks.sampling import paired_ratio
from benchmarks.section import Bench, Section
from benchmarks.served import INSTRUCTIONS, Served

TOKENS = 64
ROUNDS = {1: 8, 8: 8, 32: 8}
"""Streams at once → rounds."""

_PAIRS = (("base", "plain", "base"), ("one adapter", "tuned", "alpha@1"))
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Arm:
    """Whom to ask, for which model, and with which system message: the gateway writes its own."""

    http: httpx.AsyncClient
    model: str
    system: str | None


def _measure(bench: Bench) -> list[str]:
    return asyncio.run(_compare(bench.served(), quick=bench.quick))


async def _compare(served: Served, *, quick: bool) -> list[str]:
    lines = [
        f"Streams of {TOKENS} tokens, with the same messages and parameters, over the engine's unix socket and",
        "through the gateway (a persona without documents); the arms take turns. Tokens per second of all",
        "streams, medians; the ratio is the geometric mean of the ratios within each round, with its 95 %",
        "interval (goal: at least 0.98), so it need not be that of the medians.",
        "",
        "| model | streams | rounds | vLLM alone | through the gateway | ratio |",
        "|---|---|---|---|---|---|",
    ]
    async with served.engine() as engine, served.gateway() as gateway:
        for name, persona, model in _PAIRS:
            arms = (Arm(engine, model, INSTRUCTIONS), Arm(gateway, persona, None))
            for streams, rounds in ROUNDS.items():
                speeds: tuple[list[float], list[float]] = ([], [])
                for arm in (0, 1):  # connections made, code warm
                    await _run(arms[arm], streams)
                for turn in range(2 if quick else rounds):
                    for arm in (0, 1) if turn % 2 else (1, 0):
                        speeds[arm].append(await _run(arms[arm], streams))
                print(f"{name}, {streams} streams: {speeds}", flush=True)
                raw, ours = (statistics.median(arm) for arm in speeds)
                ratio = paired_ratio(speeds[1], speeds[0])
                lines.append(f"| {name} | {streams} | {len(speeds[0])} | {raw:.1f} | {ours:.1f} | {ratio} |")
    return lines


async def _run(arm: Arm, streams: int) -> float:
    bodies = [_body(arm) for _ in range(streams)]
    began = time.perf_counter()
    await asyncio.gather(*(_stream(arm.http, body) for body in bodies))
    return streams * TOKENS / (time.perf_counter() - began)


def _body(arm: Arm) -> dict[str, object]:
    question = f"Story number {next(_numbers):06}: begin at the harbour."
    messages = [{"role": "system", "content": arm.system}] if arm.system else []
    messages.append({"role": "user", "content": question})
    return {
        "model": arm.model,
        "messages": messages,
        "max_tokens": TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def _stream(http: httpx.AsyncClient, body: dict[str, object]) -> None:
    tail = b""
    async with http.stream("POST", "/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for piece in response.aiter_raw():
            tail = (tail + piece)[-4000:]
    if f'"completion_tokens":{TOKENS}'.encode() not in tail or b"[DONE]" not in tail:
        raise RuntimeError(f"a stream was not whole: {tail[-500:]!r}")


SECTION = Section("passage", "The gateway over vLLM alone", _measure)
