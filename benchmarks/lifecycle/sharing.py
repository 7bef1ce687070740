"""The section `sharing`: what a training and the answers cost each other, for each `REPERTORY_TRAINING_ENGINE`."""

import json
import math
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import openai
import yaml
from openai.types.chat import ChatCompletionUserMessageParam

from benchmarks.lifecycle.tasks import Task, products
from benchmarks.report import FINE_TUNING
from benchmarks.section import Bench, Section
from tests.engine.server import RunningServer, repertory

_MANNERS = ("share", "lower", "drain")
_TOKENS = 32
_QUIET_SECONDS = 20.0
_WINDOW_SECONDS = 120.0
"""How long a training is looked at: beside an engine that is always busy it may take hours."""
_POLL_SECONDS = 0.2
_REFUSED_SECONDS = 1.0


@dataclass(slots=True)
class Listener:
    """Somebody who asks one question after another, for as long as it is told to.

    Attributes:
        first: seconds to the first token, an answer each.
        rates: tokens a second behind it.
        refused: how often the server said 503.
    """

    first: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    refused: int = 0

    def ask(self, client: openai.OpenAI, persona: str, number: int) -> None:
        """Ask once, and write down how long it took."""
        began, first = time.monotonic(), 0.0
        question: ChatCompletionUserMessageParam = {
            "role": "user",
            "content": f"Tell me a story about the number {number}.",
        }
        try:
            stream = client.chat.completions.create(
                model=persona,
                messages=[question],
                max_tokens=_TOKENS,
                stream=True,
                extra_body={"ignore_eos": True},
            )
            for chunk in stream:
                if not first and chunk.choices and chunk.choices[0].delta.content:
                    first = time.monotonic()
        except openai.APIStatusError as error:
            if error.status_code != 503:
                raise
            self.refused += 1
            time.sleep(_REFUSED_SECONDS)
            return
        self.first.append(first - began)
        self.rates.append((_TOKENS - 1) / (time.monotonic() - first))


@dataclass(frozen=True, slots=True)
class Shared:
    """One setting.

    Attributes:
        step: seconds of a training step.
        quiet: what was answered before the training.
        meanwhile: what was answered from its first step to its last, or for two minutes.
    """

    step: float
    quiet: Listener
    meanwhile: Listener


def shown(task: Task, found: dict[str, Shared]) -> list[str]:
    """Return the section's lines, in Markdown."""
    lines = [
        f"One training on {len(task.train)} rows in steps of 8, and meanwhile somebody who asks for {_TOKENS}",
        "tokens again and again, one answer at a time: medians, over the training or its first two minutes. Each",
        "setting had a server of its own.",
        "",
        "| `REPERTORY_TRAINING_ENGINE` | seconds a step | first token, before | meanwhile | tokens a second, "
        "before | meanwhile | answers meanwhile |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for manner, shared in found.items():
        quiet, meanwhile = shared.quiet, shared.meanwhile
        answers = f"{len(meanwhile.first)}" if not meanwhile.refused else f"none, {meanwhile.refused} times 503"
        lines.append(
            f"| `{manner}` | {shared.step:.2f} | {_median(quiet.first, 'ms')} | {_median(meanwhile.first, 'ms')} "
            f"| {_median(quiet.rates)} | {_median(meanwhile.rates)} | {answers} |"
        )
    return lines


def _median(values: Sequence[float], unit: str = "") -> str:
    if not values:
        return "–"
    value = statistics.median(values)
    return f"{1000 * value:,.0f} ms" if unit else f"{value:.1f}"


def _measure(bench: Bench) -> list[str]:
    task = products(Path())
    return shown(task, {manner: _with(manner, task, quick=bench.quick) for manner in _MANNERS})


def _with(manner: str, task: Task, *, quick: bool) -> Shared:
    with tempfile.TemporaryDirectory() as made, _server(Path(made), manner, task) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.admin_key, max_retries=0, timeout=600)
        quiet, meanwhile = Listener(), Listener()
        with _listening(client, task.name, quiet):
            time.sleep(_QUIET_SECONDS)
        rows = task.train[: 40 if quick else len(task.train)]
        file = client.files.create(
            file=("rows.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows).encode()), purpose="fine-tune"
        )
        job = client.fine_tuning.jobs.create(
            model=task.name,
            training_file=file.id,
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1, "batch_size": 8}}},
        )
        step = _step_seconds(client, job.id, task.name, meanwhile)
    return Shared(step, quiet, meanwhile)


def _step_seconds(client: openai.OpenAI, job: str, persona: str, meanwhile: Listener) -> float:
    """Listen from the first step to the last one, at most for the window; return how long a step took."""
    first = _until_step(client, job, 1, math.inf)
    with _listening(client, persona, meanwhile):
        last = _until_step(client, job, None, first[1] + _WINDOW_SECONDS)
    with suppress(openai.ConflictError):  # it is over
        client.fine_tuning.jobs.cancel(job)
    return (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else math.inf


def _until_step(client: openai.OpenAI, job: str, wanted: int | None, deadline: float) -> tuple[int, float]:
    """Wait for a step, or for the last one; return the newest at the deadline and when it was first seen."""
    newest = (0, time.monotonic())
    while time.monotonic() < deadline:
        for event in client.fine_tuning.jobs.list_events(job, limit=20).data:
            told = event.data
            if event.level == "error":
                raise SystemExit(event.message)
            if isinstance(told, dict) and "step" in told:
                if told["step"] > newest[0]:
                    newest = int(told["step"]), time.monotonic()
                if newest[0] >= (wanted or told["total_steps"]):
                    return newest
                break
        time.sleep(_POLL_SECONDS)
    return newest


@contextmanager
def _listening(client: openai.OpenAI, persona: str, listener: Listener) -> Iterator[None]:
    """Ask in a thread while the block runs."""
    over = threading.Event()

    def ask() -> None:
        number = 0
        while not over.is_set():
            listener.ask(client, persona, number := number + 1)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


@contextmanager
def _server(folder: Path, manner: str, task: Task) -> Iterator[RunningServer]:
    personas, data = folder / "personas", folder / "data"
    personas.mkdir()
    data.mkdir()
    spec = {"id": task.name, "name": task.name.capitalize(), "instructions": task.instructions}
    (personas / f"{task.name}.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    settings = {"REPERTORY_PERSONAS_DIR": str(personas), "REPERTORY_TRAINING_ENGINE": manner}
    with repertory(data, settings) as server:
        server.wait_ready()
        yield server


SECTION = Section("sharing", "Measured: a training beside answers", _measure, FINE_TUNING)
