"""The story of an evaluation up to the version that it moves; and what must be true after a kill in it."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio

from actions import NetworkGrants, Secrets
from adapters.base import BaseModel
from adapters.evaluation import (
    Answer,
    Arm,
    Definition,
    EvalSpec,
    EvalState,
    Evaluation,
    Evaluations,
    NewEvaluation,
    Task,
    gather,
)
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core.callbacks import nothing
from core.database import Database
from server.evaluation.comparing import Comparing
from server.evaluation.judges import Judges
from server.evaluation.worker import EvaluationWorker
from tests.faults.document_models import Fact
from tests.faults.witness import Witness

_CASES = 8
_SPEC = EvalSpec.model_validate(
    {
        "name": "story",
        "persona": "plain",
        "concurrency": 1,
        "sets": [
            {
                "name": "set",
                "graders": [{"kind": "exact"}],
                "cases": [{"prompt": f"{number}?", "expected": "yes"} for number in range(_CASES)],
            }
        ],
        "gate": [{"metric": "set.exact", "comparator": "base", "op": ">", "min_n": 5}],
    }
)


class House:
    """Evaluations over one data directory; `step` is told when somebody is asked, and has answered."""

    def __init__(self, base: Path, step: Callable[[str], None] = nothing) -> None:
        self._asked = base / "asked"
        self._step = step
        self._base = base
        self.database = Database(base / "repertory.db")
        self.registry = Registry(self.database, base / "adapters", lambda: 1_800_000_000.0)
        self.store = Evaluations(self.database, lambda: 1_800_000_000.0)

    async def ask(self, evaluation: Evaluation, spec: EvalSpec, arm: Arm, task: Task) -> Answer:
        """Answer as an arm does: only the candidate knows."""
        await anyio.to_thread.run_sync(self._step, "ask")
        with self._asked.open("a") as file:
            file.write(f"{arm} {task.key}\n")
        await anyio.to_thread.run_sync(self._step, "answered")
        return Answer(text="yes" if arm is Arm.CANDIDATE else "no")

    def asked(self) -> list[str]:
        """Return who was asked what, over all lives of the server."""
        return self._asked.read_text().splitlines() if self._asked.exists() else []

    def register(self) -> None:
        """Register the version that is evaluated."""
        base = BaseModel.load(self._base / "base")
        self.registry.import_folder(self._base / "source1", "coach", base=base, limits=ImportLimits())

    def begin(self) -> str:
        """Begin the evaluation, or go on with it."""
        tasks = tuple(gather(_SPEC, lambda name: (Path(name), "label")))
        new = NewEvaluation(
            definition=Definition(spec=_SPEC, tasks=tasks),
            persona="plain",
            adapter="coach",
            candidate=1,
            current=None,
            revision="1",
            instructions="told",
            world="base",
            moves=True,
            by="key:ada",
            principal={"id": "key:ada", "scopes": ["adapters"], "personas": None},
        )
        return self.store.create(new).id

    def work(self, eval_id: str) -> None:
        """Work until the evaluation is over."""
        judges = Judges(Secrets.none(), NetworkGrants.parse(()))
        comparing = Comparing(self.store, judges)

        async def run() -> None:
            worker = EvaluationWorker(self.store, self.registry, comparing, lambda: 1_800_000_000.0)
            async with anyio.create_task_group() as group:
                group.start_soon(worker.run, self)
                with anyio.fail_after(280):
                    while (await anyio.to_thread.run_sync(self.store.get, eval_id)).state is EvalState.QUEUED:
                        await anyio.sleep(0.05)
                group.cancel_scope.cancel()
            await worker.aclose()

        asyncio.run(run())


def evaluations(base: Path, witness: Witness) -> None:
    """Register a version, evaluate it, and see it become a candidate."""
    house = House(base, witness.step)
    house.register()
    witness.attempt("evaluation")
    begun = house.begin()
    witness.acknowledge("evaluation", begun)
    house.work(begun)
    found = house.store.get(begun)
    assert found.state is EvalState.DONE
    witness.acknowledge("verdict", found.outcome)


def check_evaluations(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """No answer that was kept is asked for again, no verdict is lost, and the version moves once."""
    house = House(base)
    house.registry.reconcile()
    house.register()
    known = house.store.list()
    kept = {f"{arm} {key}" for one in known for arm, told in house.store.answers(one.id).items() for key in told}
    before = house.asked()
    assert kept <= set(before)
    begun = known[0].id if known and known[0].state is EvalState.DONE else house.begin()
    assert not any(fact[0] == "evaluation" and fact[1] != begun for fact in done)
    if ("verdict", "pass") in done:
        assert house.store.get(begun).outcome == "pass"
    house.work(begun)
    ended = house.store.get(begun)
    assert (ended.state, ended.outcome) == (EvalState.DONE, "pass")
    assert not kept & set(house.asked()[len(before) :])
    assert len(house.store.list()) == 1
    assert house.registry.get("coach", 1).state == "candidate"
    moves = [(one.to_state, one.by) for one in house.registry.history("coach")]
    assert moves[1:] == [("evaluated", "key:ada"), ("candidate", "key:ada")]
    house.database.close()
