"""What an adapter costs: throughput of the base, one adapter and a mix, by our operators and by vLLM's."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.engine import ADAPTERS, engine
from benchmarks.section import Bench, Section

STREAMS = (1, 8, 32)
ROUNDS = 3
TOKENS = 64


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of serving: which models the streams ask for in turn, through which operators."""

    name: str
    models: tuple[str, ...]
    operators: str = "grouped"


ARMS = (
    Arm("base", ("base",)),
    Arm("one adapter", (f"{ADAPTERS[0]}@1",)),
    Arm("three adapters and the base", (*(f"{name}@1" for name in ADAPTERS), "base")),
    Arm("one adapter, vLLM's operators", (f"{ADAPTERS[0]}@1",), "vllm"),
)


def compare(dtype: str, rounds: int) -> list[str]:
    """Return the lines of a Markdown table: tokens per second of each arm, interleaved in one server."""
    with engine(dtype) as socket:
        return asyncio.run(_compare(socket, dtype, rounds))


async def _compare(socket: Path, dtype: str, rounds: int) -> list[str]:
    lines = [
        f"Default base, rank 8 on all linear layers, {TOKENS} tokens out; tokens per second of all streams,",
        f"medians of {rounds} rounds; the ratios are medians of the ratios within a round.",
        "",
        "| streams | "
        + " | ".join(arm.name for arm in ARMS)
        + " | adapter / base | mixed / single | adapter / vLLM's |",
        "|---" * (len(ARMS) + 4) + "|",
    ]
    limits = httpx.Limits(max_connections=None)
    transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=limits)
    async with httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=900) as http:
        for arm in ARMS:
            await _run(http, arm, len(ARMS))  # every adapter loaded, every kernel built
        for streams in STREAMS:
            speeds: dict[str, list[float]] = {arm.name: [] for arm in ARMS}
            for turn in range(rounds):
                for arm in ARMS:
                    speeds[arm.name].append(await _run(http, arm, streams))
                    print(f"{dtype}, {streams} streams, round {turn + 1}: {arm.name}: {speeds[arm.name][-1]:.1f}")
            lines.append(_row(streams, [speeds[arm.name] for arm in ARMS]))
    return lines


def _row(streams: int, speeds: Sequence[Sequence[float]]) -> str:
    base, single, mixed, other = speeds
    cells = [f"{statistics.median(arm):.1f}" for arm in speeds]
    pairs = ((single, base), (mixed, single), (single, other))
    ratios = [statistics.median(a / b for a, b in zip(one, two, strict=True)) for one, two in pairs]
    return f"| {streams} | " + " | ".join(cells) + " | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |"


async def _run(http: httpx.AsyncClient, arm: Arm, streams: int) -> float:
    body = {"method": "repertory_switch", "args": [arm.operators]}
    (await http.post("/collective_rpc", json=body)).raise_for_status()
    began = time.perf_counter()
    await asyncio.gather(*(_stream(http, arm.models[i % len(arm.models)], i) for i in range(streams)))
    return streams * TOKENS / (time.perf_counter() - began)


async def _stream(http: httpx.AsyncClient, model: str, number: int) -> None:
    response = await http.post(
        "/v1/completions",
        json={
            "model": model,
            "prompt": f"Number {number}: the quick brown fox tells a long story about",
            "max_tokens": TOKENS,
            "temperature": 0,
            "ignore_eos": True,
        },
    )
    response.raise_for_status()


def _section(dtype: str) -> Section:
    def measure(bench: Bench) -> list[str]:
        return compare(dtype, 1 if bench.quick else ROUNDS)

    return Section(f"adapters-{dtype}", f"What an adapter costs ({dtype})", measure)


SECTIONS = tuple(_section(dtype) for dtype in ("float32", "bfloat16"))
