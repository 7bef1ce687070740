"""What changing adapters costs: the first token after a switch, and the stall that a load puts on others."""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import httpx

from benchmarks.sampling import quantile
from benchmarks.section import Bench, Section
from benchmarks.served import RANDOM, Served

ROUNDS = 20
LOADS = 10
BYSTANDERS = 4
_SLOTS = 4
_QUIET_SECONDS = 0.3
_LATER = RANDOM[1:]
"""Adapters that no persona uses: a `use` of one is its first."""

_numbers = itertools.count(1)

Action = Callable[[httpx.AsyncClient, int], Awaitable[None]]


def _measure(bench: Bench) -> list[str]:
    return asyncio.run(_all(bench.served(), quick=bench.quick))


async def _all(served: Served, *, quick: bool) -> list[str]:
    async with served.engine() as engine:
        switches = await _switches(engine, 4 if quick else ROUNDS)
        stalls = await _stalls(served, engine, 2 if quick else LOADS)
    return [*switches, "", *stalls]


async def _switches(engine: httpx.AsyncClient, rounds: int) -> list[str]:
    """Time the first token of single requests, by where the adapter is when it is asked."""
    names = [f"{name}@1" for name in RANDOM]
    for name in names:
        await _first_token(engine, name)
    times: dict[str, list[float]] = {arm: [] for arm in ("same", "slot", "memory", "disk")}
    for _ in range(rounds):
        await _first_token(engine, names[0])
        times["same"].append(await _first_token(engine, names[0]))
        await _first_token(engine, names[1])
        times["slot"].append(await _first_token(engine, names[0]))
        await _push_out(engine, 0)
        times["memory"].append(await _first_token(engine, names[0]))
        await _removed(engine, 0)
        times["disk"].append(await _first_token(engine, names[0]))
    told = {
        "same": "the one that answered last",
        "slot": "another one in a slot",
        "memory": "in memory, no slot",
        "disk": "on disk (in the page cache)",
    }
    usual = times["same"]
    lines = [
        f"Time to the first token of one request to an idle engine (rank 8, all linear layers, {_SLOTS} slots).",
        "",
        "| the adapter is | median | longest | more than the one that answered last, median |",
        "|---|---|---|---|",
    ]
    for arm, name in told.items():
        more = statistics.median(a - b for a, b in zip(times[arm], usual, strict=True))
        cells = f"{_ms(statistics.median(times[arm]))} | {_ms(max(times[arm]))} | {_ms(more)}"
        lines.append(f"| {name} | {cells} |")
    return lines


async def _stalls(served: Served, engine: httpx.AsyncClient, loads: int) -> list[str]:
    """Let others stream while adapters are loaded; note their largest gap round each load."""
    actions: dict[str, tuple[Action, Action]] = {
        "nothing": (_push_out, _nothing),
        "a short request to the base": (_push_out, _ask_base),
        "the same to an adapter in memory without a slot": (_push_out, _from_memory),
        "an adapter is loaded: disk → memory → slot": (_removed, _from_disk),
        "`use` of a new version: load, proof, flip": (_removed_later, partial(_use, served)),
    }
    gaps: dict[str, list[float]] = {name: [] for name in actions}
    usual: list[float] = []
    async with _bystanders(engine) as times:
        for turn in range(loads):
            for name, (prepare, action) in actions.items():
                if prepare is _removed_later and turn >= len(_LATER):
                    continue  # every version has been new once
                await prepare(engine, turn)
                await asyncio.sleep(_QUIET_SECONDS)
                began = time.perf_counter()
                await action(engine, turn)
                await asyncio.sleep(_QUIET_SECONDS)
                found = _gaps(times, began)
                gaps[name].append(max(found))
                if action is _nothing:
                    usual += found
    lines = [
        f"The largest pause between two tokens that {BYSTANDERS} other streams of the base see while it happens;",
        f"their usual pause has a median of {_ms(statistics.median(usual))} and a 99 % quantile of "
        f"{_ms(quantile(usual, 0.99))}.",
        "",
        "| meanwhile | times | largest pause, median | largest of all |",
        "|---|---|---|---|",
    ]
    for name, found in gaps.items():
        lines.append(f"| {name} | {len(found)} | {_ms(statistics.median(found))} | {_ms(max(found))} |")
    return lines


async def _nothing(engine: httpx.AsyncClient, turn: int) -> None:
    await asyncio.sleep(0.5)


async def _ask_base(engine: httpx.AsyncClient, turn: int) -> None:
    await _first_token(engine, "base")


async def _from_memory(engine: httpx.AsyncClient, turn: int) -> None:
    await _first_token(engine, f"{RANDOM[0]}@1")


async def _from_disk(engine: httpx.AsyncClient, turn: int) -> None:
    (await engine.post(f"/v1/repertory/adapters/{RANDOM[0]}@1")).raise_for_status()


async def _use(served: Served, engine: httpx.AsyncClient, turn: int) -> None:
    (await asyncio.to_thread(served.use, _LATER[turn], 1)).raise_for_status()


async def _push_out(engine: httpx.AsyncClient, turn: int) -> None:
    """Give every slot to others than the first adapter."""
    for name in _LATER[:_SLOTS]:
        await _first_token(engine, f"{name}@1")


async def _removed(engine: httpx.AsyncClient, turn: int) -> None:
    """Have the first adapter on disk only."""
    await _push_out(engine, turn)
    (await engine.delete(f"/v1/repertory/adapters/{RANDOM[0]}@1")).raise_for_status()


async def _removed_later(engine: httpx.AsyncClient, turn: int) -> None:
    """Have one of the adapters that no persona uses on disk only."""
    await _first_token(engine, f"{_LATER[turn]}@1")
    (await engine.delete(f"/v1/repertory/adapters/{_LATER[turn]}@1")).raise_for_status()


@asynccontextmanager
async def _bystanders(engine: httpx.AsyncClient) -> AsyncIterator[list[list[float]]]:
    """Keep streams of the base going; each list holds the times of one stream's tokens."""
    times: list[list[float]] = []
    started = [asyncio.Event() for _ in range(BYSTANDERS)]

    async def stream(number: int) -> None:
        while True:
            body = {"model": "base", "prompt": f"Once upon a time {next(_numbers)}", "max_tokens": 1500}
            body |= {"stream": True, "ignore_eos": True, "temperature": 0}
            own: list[float] = []
            times.append(own)
            async with engine.stream("POST", "/v1/completions", json=body) as response:
                async for _ in response.aiter_raw():
                    own.append(time.perf_counter())
                    started[number].set()

    tasks = [asyncio.create_task(stream(number)) for number in range(BYSTANDERS)]
    try:
        await asyncio.gather(*(event.wait() for event in started))
        yield times
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _gaps(times: Sequence[Sequence[float]], began: float) -> list[float]:
    """Return the pauses of all streams that ended after `began`."""
    return [b - a for one in times for a, b in itertools.pairwise(one) if b > began]


async def _first_token(engine: httpx.AsyncClient, model: str) -> float:
    prompt = f"Letter {next(_numbers):06}: the harbour was quiet when"
    body = {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0}
    began = time.perf_counter()
    (await engine.post("/v1/completions", json=body)).raise_for_status()
    return time.perf_counter() - began


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if abs(seconds) >= 0.01 else f"{1000 * seconds:.1f} ms"


SECTION = Section("loads", "Switching and loading adapters", _measure)
