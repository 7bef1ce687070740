"""One task on its way: each step is a command that an operator gives, on a server of its own."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml

from benchmarks.lifecycle.tasks import Row, Task
from tests.engine.server import ROOT, RunningServer, command_beside, repertory

STAGES = ("shadow", "1", "5", "25", "50", "100", "production")
_AT_ONCE = 4
_ASKED_EACH_STAGE = 40
_TRIES = 500


@dataclass(slots=True)
class Travelled:
    """What a road came to.

    Attributes:
        version: as it was after the gate.
        training: the run's record.
        reports: which prompt the adapter is compared with → the evaluation's report.
        second: another version, trained for one epoch with another seed, to be rolled out beside the first.
        stages: stage → version → answers.
        shadow: the rollout, when its shadow had answered.
        way_back: milliseconds from the answer of `adapter rollback` until a turn began that the first answered.
        after: version → answers, after that.
    """

    version: Row = field(default_factory=dict)
    training: Row = field(default_factory=dict)
    reports: dict[str, Row] = field(default_factory=dict)
    second: Row = field(default_factory=dict)
    stages: dict[str, Counter[str]] = field(default_factory=dict)
    shadow: Row = field(default_factory=dict)
    way_back: float | None = None
    after: Counter[str] = field(default_factory=Counter)


@contextmanager
def server_for(task: Task, folder: Path) -> Iterator[RunningServer]:
    """Serve the persona of a task; its adapter does not exist yet."""
    settings = _settings(folder)
    personas, data = Path(settings["REPERTORY_PERSONAS_DIR"]), folder / "data"
    personas.mkdir()
    data.mkdir()
    spec = {
        "id": task.name,
        "name": task.name.capitalize(),
        "instructions": task.instructions,
        "model": {"adapter": task.name, "promotion": "manual"},
        "evaluation": f"{task.name}.yaml",
    }
    (personas / f"{task.name}.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    (folder / f"{task.name}.yaml").write_text(yaml.safe_dump(task.spec(task.name)), encoding="utf-8")
    with repertory(data, settings) as server:
        server.wait_ready()
        yield server


def _settings(folder: Path) -> dict[str, str]:
    """Return what the server and the commands are told."""
    return {
        "REPERTORY_PERSONAS_DIR": str(folder / "personas"),
        "REPERTORY_KNOWLEDGE_ROOT": str(folder),
        "REPERTORY_TRAINING_ENGINE": "drain",
    }


class Road:
    """The commands of one task, in their order.

    Args:
        task: what is taught.
        server: where.
        folder: the server's surroundings, and for files of this road.
    """

    def __init__(self, task: Task, server: RunningServer, folder: Path) -> None:
        self._task = task
        self._server = server
        self._folder = folder
        self.travelled = Travelled()

    def travel(self) -> Travelled:
        """Go all the way, or as far as the gate lets the version."""
        name = self._task.name
        for part in ("train", "valid"):
            self._do("dataset", "import", str(self._written(part)), "--name", f"{name}-{part}",
                     "--pii", "allow")  # fmt: skip
        trained = self._train()
        self.travelled.version = json.loads(trained)
        run = Path(self.travelled.version["path"]) / "run.json"
        self.travelled.training = json.loads(run.read_text(encoding="utf-8"))
        found = json.loads(self._do("eval", "list", "--json"))
        mine = next(one for one in found if one["adapter"] == name)
        report = self._do("eval", "show", mine["id"], "--json")
        self.travelled.reports["instructions"] = json.loads(report)
        if self._task.shots:
            file = self._folder / "shots.yaml"
            file.write_text(yaml.safe_dump(self._task.spec(f"{name}-shots", shots=True)), encoding="utf-8")
            self.travelled.reports["shots"] = json.loads(
                self._do("eval", "run", str(file), "--version", "1", "--json", may_fail=True)
            )
        if self.travelled.version["state"] == "candidate":
            self._released()
        return self.travelled

    def _train(self, *more: str) -> str:
        """Train the task's adapter, have its gate decide, and return the version as JSON."""
        name = self._task.name
        command = ["adapter", "train", f"{name}-train@1", "--valid", f"{name}-valid@1", "--name", name]
        return self._do(*command, "--persona", name, "--json", *more)

    def _released(self) -> None:
        """Let the version answer everyone, let users meet a second one step by step, and take that back."""
        name = self._task.name
        bob = json.loads(self._do("key", "create", f"bob-{name}", "--scope", "adapters", "--json"))
        as_bob = ("--api-key", bob["secret"], "adapter", "approve", name)
        self._do(*as_bob, "1", "--reason", "read the report")
        self._do("adapter", "use", name, "1")
        self.travelled.second = json.loads(self._train("--epochs", "1", "--seed", "1"))
        if self.travelled.second["state"] == "candidate":
            self._do(*as_bob, "2", "--reason", "read the report")
        else:
            self._do("adapter", "approve", name, "2", "--override", "--reason", "a trial of rollouts")
        started = json.loads(self._do("rollout", "start", name, "2", "--json"))
        for stage in STAGES:
            if stage != STAGES[0]:
                self._do("rollout", "advance", started["id"])
            self.travelled.stages[stage] = self._asked(stage)
            if stage == STAGES[0]:
                self.travelled.shadow = self._shadowed(started["id"])
        self._do("adapter", "rollback", name, "--reason", "a trial")
        began = time.monotonic()
        for _ in range(_TRIES):
            at = time.monotonic()
            if self._ask(0, "after") == f"{name}@1":
                self.travelled.way_back = 1000 * (at - began)
                break
        self.travelled.after = self._asked("after")

    def _shadowed(self, rollout: str) -> Row:
        """Wait until the shadow has answered all that it was asked."""
        for _ in range(_TRIES):
            told: Row = json.loads(self._do("rollout", "show", rollout, "--json"))
            if told["arms"]["shadow"]["turns"] + told["unasked"] >= _ASKED_EACH_STAGE:
                break
            time.sleep(0.5)
        return told

    def _asked(self, stage: str) -> Counter[str]:
        """Return which version answered how many users."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return Counter(pool.map(lambda number: self._ask(number, stage), range(_ASKED_EACH_STAGE)))

    def _ask(self, number: int, stage: str) -> str:
        case = self._task.cases[number % len(self._task.cases)]
        body = {
            "model": self._task.name,
            "messages": case["messages"],
            "max_tokens": self._task.max_tokens,
            "temperature": 0,
            "user": f"{stage}-{number}",
            "repertory": {"include": True},
        } | ({"tools": case["tools"]} if "tools" in case else {})
        answer = httpx.post(
            f"{self._server.url}/v1/chat/completions", json=body, headers=self._server.admin, timeout=600
        )
        answer.raise_for_status()
        return str(answer.json()["repertory"]["adapter"])

    def _written(self, part: str) -> Path:
        rows: Sequence[Row] = getattr(self._task, part)
        path = self._folder / f"{self._task.name}-{part}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        return path

    def _do(self, *command: str, may_fail: bool = False) -> str:
        """Run a command of the command line; return what it printed."""
        environment = self._server.environment | _settings(self._folder)
        began = time.monotonic()
        done = subprocess.run(
            command_beside(*command), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        shown = " ".join(command[2:] if command[0] == "--api-key" else command)
        print(f"{time.monotonic() - began:7.1f} s  repertory {shown}", file=sys.stderr, flush=True)
        if done.returncode and not may_fail:
            raise SystemExit(f"`repertory {shown}` failed:\n{done.stdout}{done.stderr}")
        return done.stdout
