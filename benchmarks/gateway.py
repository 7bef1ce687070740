"""What the gateway adds to a simulated upstream, and one worker of LiteLLM's proxy beside it.

Every round asks each arm in turn for the same time with the same arrivals, so that what disturbs the machine
disturbs all of them; times are compared with those of asking the upstream directly in the same rounds.
"""

import os
import signal
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gateway_load import Job, Outcome
from benchmarks.gateway_parts import (
    PLAIN,
    READER,
    Load,
    cpu_seconds,
    gateway,
    load,
    resident_mb,
    settle,
    upstream,
    wait_for,
)
from benchmarks.gateway_peer import litellm
from benchmarks.gateway_profile import shares
from benchmarks.gateway_upstream import TOKENS
from benchmarks.report import verdict
from benchmarks.section import Bench, Section

_ROUNDS = 2
_SECONDS = {10: 10.0, 20: 8.0, 50: 8.0, 100: 6.0}
_FULL_SECONDS = 6.0
_CLIENTS, _LITELLM_CLIENTS = 192, 24
_LITELLM_RATES = (10, 20)
_GOAL_STREAMS = 200
_RATES = {PLAIN: 50.0, READER: 10.0}
"""Persona → streams a second while its gateway is profiled."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to the upstream."""

    name: str
    port: int
    model: str
    pid: int | None = None
    clients: int = _CLIENTS


@dataclass(slots=True)
class Result:
    """What all rounds of one arm at one load came to."""

    first: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    whole: int = 0
    failed: int = 0
    problem: str = ""
    cpu: float = 0.0
    in_time: list[float] = field(default_factory=list)

    def take(self, outcome: Outcome, cpu: float, seconds: float) -> None:
        """Add one round."""
        self.first += outcome.first
        self.delays += outcome.delays
        self.whole += outcome.whole
        self.failed += outcome.failed
        self.problem = self.problem or outcome.problem
        self.cpu += cpu
        self.in_time.append(outcome.in_time / seconds)

    def figures(self, direct: "Result") -> tuple[float, ...]:
        """Return what the columns of a table say, but the last; nothing where no answer came whole."""
        if not self.whole:
            return ()
        return (
            1000 * (quantile(self.first, 0.5) - quantile(direct.first, 0.5)),
            1000 * (quantile(self.first, 0.99) - quantile(direct.first, 0.99)),
            1000 * (statistics.fmean(self.delays) - statistics.fmean(direct.delays)),
            1000 * self.cpu / self.whole,
            statistics.median(self.in_time),
        )

    def row(self, direct: "Result") -> str:
        """Return the cells of a table."""
        figures = self.figures(direct)
        if not figures:
            return f" | | | | | {self.failed}"
        shown = [f"{value:.{digits}f}" for value, digits in zip(figures, (1, 1, 2, 1, 0), strict=True)]
        return " | ".join([*shown, str(self.failed)])


Results = dict[int, dict[str, Result]]
"""Requests a second (0: at full) → arm → result."""


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of `values` lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure(bench: Bench) -> list[str]:
    """Return the lines of the section."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-")))
        port = stack.enter_context(upstream(folder))
        generator = stack.enter_context(load(folder))
        ours = stack.enter_context(gateway(folder, port))
        memory = resident_mb(ours.pid)
        torch = "torch" in Path(f"/proc/{ours.pid}/maps").read_text()
        ours.learn()
        theirs, their_port = stack.enter_context(litellm(folder, port))
        arms = (
            Arm("direct", port, "base"),
            Arm("ours", ours.port, PLAIN, ours.pid),
            Arm("ours, with retrieval", ours.port, READER, ours.pid),
            Arm("LiteLLM", their_port, PLAIN, theirs, _LITELLM_CLIENTS),
        )
        results = _measured(bench, generator, port, arms)
        lines = [*_INTRODUCTION, *_table(results), "", *_goals(results, memory)]
        told = "has torch in its memory" if torch else "has no torch in its memory"
        lines += [
            "",
            f"Memory: our gateway process {memory:.0f} MB before any index is loaded and "
            f"{resident_mb(ours.pid):.0f} MB after the run ({told}; the embedder is a process of its own); "
            f"LiteLLM {resident_mb(theirs):.0f} MB after the run.",
            "",
        ]
    return [*lines, *_profile(bench)]


def _profile(bench: Bench) -> list[str]:
    lines = [
        f"Where the time of the gateway's main thread goes, under the profiler, in per cent ({_RATES[PLAIN]:.0f} "
        f"streams/s without retrieval, {_RATES[READER]:.0f} with it):",
        "",
        "| layer | without retrieval | with retrieval |",
        "|---|---|---|",
    ]
    columns = [dict(_profiled(model, 2.0 if bench.quick else 10.0)) for model in (PLAIN, READER)]
    for layer, share in columns[0].items():
        lines.append(f"| {layer} | {100 * share:.0f} | {100 * columns[1].get(layer, 0.0):.0f} |")
    return [*lines, ""]


def _profiled(model: str, seconds: float) -> list[tuple[str, float]]:
    with tempfile.TemporaryDirectory(prefix="gateway-") as name, upstream(Path(name)) as port:
        folder = Path(name)
        written = folder / "profile"
        with load(folder) as generator, gateway(folder / "served", port, written) as ours:
            if model == READER:
                ours.learn()
            job = Job(ours.port, port, model, seconds=seconds, tokens=len(TOKENS), rate=_RATES[model])
            generator.run(job)
            os.kill(ours.pid, signal.SIGUSR1)
            generator.run(job)
            os.kill(ours.pid, signal.SIGUSR2)
            wait_for(written.exists, "the profile was not written")
        return shares(written)


_INTRODUCTION = (
    "Upstream, load generator and gateway are processes of their own on this machine. An answer has "
    f"{len(TOKENS)} tokens, the first after 20 ms, the others 10 ms apart, in vLLM's frames. Arrivals are random "
    "(Poisson); every question is new. *First* is what is added to the time to the first token (the quantile "
    "through the gateway less that of asking directly); *token* the mean time that a later token is longer under "
    "way; *CPU* the processor seconds of the gateway process for 1,000 streams, without embedder. *Full* keeps "
    f"{_CLIENTS} clients asking ({_LITELLM_CLIENTS} for LiteLLM), so its times say how long the queue is.",
    "",
)
_HEAD = (
    "| load | arm | first p50, ms | first p99, ms | token, ms | CPU, s | streams/s | failed |",
    "|---|---|---|---|---|---|---|---|",
)


def _measured(bench: Bench, generator: Load, port: int, arms: Sequence[Arm]) -> Results:
    """Ask every arm at every load; print what comes of it."""
    measured: Results = {}
    for rate, seconds in [*_SECONDS.items(), (0, _FULL_SECONDS)]:
        asked = [arm for arm in arms if arm.name != "LiteLLM" or rate in _LITELLM_RATES or not rate]
        results = {arm.name: Result() for arm in asked}
        for turn in range(1 if bench.quick else _ROUNDS):
            for arm in asked:
                span = 2.0 if bench.quick else seconds
                job = Job(
                    port=arm.port,
                    upstream=port,
                    model=arm.model,
                    seconds=span,
                    tokens=len(TOKENS),
                    rate=float(rate),
                    clients=0 if rate else arm.clients,
                    seed=turn,
                )
                before = cpu_seconds(arm.pid) if arm.pid else 0.0
                outcome = generator.run(job)
                results[arm.name].take(outcome, (cpu_seconds(arm.pid) if arm.pid else 0.0) - before, span)
                if arm.pid:
                    settle(arm.pid)
        for arm in asked:
            if problem := results[arm.name].problem:
                print(f"{arm.name} at {rate or 'full'}: {problem}")
        measured[rate] = results
        print("\n".join(_rows(rate, results)), flush=True)
    return measured


def _table(measured: Results) -> list[str]:
    return [*_HEAD, *(row for rate, results in measured.items() for row in _rows(rate, results))]


def _rows(rate: int, results: Mapping[str, Result]) -> list[str]:
    load = f"{rate}/s" if rate else "full"
    direct = results["direct"]
    return [f"| {load} | {name} | {one.row(direct)} |" for name, one in results.items() if one is not direct]


def _goals(measured: Results, memory: float) -> list[str]:
    """Return what was aimed at, without retrieval, and whether it was reached."""
    at_fifty = measured[50]["ours"].figures(measured[50]["direct"])
    full = measured[0]["ours"].figures(measured[0]["direct"])
    reached = (
        ("first token at 50/s, p50", at_fifty[0], 3.0, "ms"),
        ("first token at 50/s, p99", at_fifty[1], 10.0, "ms"),
        ("each later token at 50/s", at_fifty[2], 0.2, "ms"),
        ("processor time of 1,000 streams at 50/s", at_fifty[3], 8.0, "s"),
        ("memory before any index is loaded", memory, 150.0, "MB"),
    )
    lines = ["| without retrieval | goal | measured | |", "|---|---|---|---|"]
    lines += [
        f"| {what} | at most {goal:g} {unit} | {value:.2f} {unit} | {verdict(value <= goal)} |"
        for what, value, goal, unit in reached
    ]
    streams = verdict(full[4] >= _GOAL_STREAMS)
    return [*lines, f"| at full | at least {_GOAL_STREAMS} streams/s | {full[4]:.0f} streams/s | {streams} |"]


SECTION = Section("gateway", "What the gateway adds", measure)
