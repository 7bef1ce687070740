"""Fine-tuning jobs through OpenAI's own client, with a trainer that needs no torch."""

import csv
import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import openai
import pytest
from openai.types.fine_tuning import FineTuningJob

from adapters.base import BaseModel
from core.principal import Scope
from tests.adapters.tiny import make_base
from tests.fakes.trainer import STEPS
from tests.server.conftest import Gateway, Start

pytestmark = pytest.mark.anyio
TRAINER = f"{sys.executable} -m tests.fakes.trainer"
_PATIENCE = 240
SCOPES = (Scope.KNOWLEDGE, Scope.ADAPTERS, Scope.CHAT)


def rows(count: int = 5, answer: str = "Yes.", system: str = "You are tuned.") -> bytes:
    talks = [
        [
            {"role": "system", "content": system},
            {"role": "user", "content": f"Is {number} a number?"},
            {"role": "assistant", "content": answer},
        ]
        for number in range(count)
    ]
    return b"".join(json.dumps({"messages": talk}).encode() + b"\n" for talk in talks)


PAIR = {
    "input": {"messages": [{"role": "user", "content": "Hi"}]},
    "preferred_output": [{"role": "assistant", "content": "Hello."}],
    "non_preferred_output": [{"role": "assistant", "content": "What?"}],
}


class Rest:
    """An engine that notes when it is to rest and when to work."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def rest(self, reason: str) -> None:
        self.told.append(reason)

    def work(self) -> None:
        self.told.append("work")


class Tuner:
    """Two holders of keys and what they ask for."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.rest = Rest()
        gateway.services.tuning.attach(self.rest)
        self.ada = gateway.openai(gateway.secret("ada", *SCOPES))
        self.bob = gateway.openai(gateway.secret("bob", *SCOPES))
        self.jobs = self.ada.fine_tuning.jobs

    async def file(self, content: bytes | None = None, name: str = "talks.jsonl") -> str:
        made = await self.ada.files.create(
            file=(name, rows() if content is None else content), purpose="fine-tune"
        )
        return made.id

    async def job(self, model: str = "tuned", content: bytes | None = None, **fields: Any) -> FineTuningJob:
        return await self.jobs.create(model=model, training_file=await self.file(content), **fields)

    async def over(self, job: str) -> FineTuningJob:
        with anyio.fail_after(_PATIENCE):
            while (found := await self.jobs.retrieve(job)).status not in ("succeeded", "failed", "cancelled"):
                await anyio.sleep(0.05)
        return found

    async def until(self, job: str, message: str) -> None:
        with anyio.fail_after(_PATIENCE):
            while not any(message in told for told in await self.told(job)):
                await anyio.sleep(0.05)

    async def told(self, job: str) -> list[str]:
        return [one.message async for one in self.jobs.list_events(job, limit=100)]


@pytest.fixture
def engine_does() -> str:
    """What the engine does while a training runs; a test may parametrize it."""
    return "drain"


@pytest.fixture
async def tuner(start: Start, engine_does: str, tmp_path: Path) -> AsyncIterator[Tuner]:
    base = make_base(tmp_path / "models" / "base")
    async with start(models_dir=base.parent, training_command=TRAINER, training_engine=engine_does) as gateway:
        yield Tuner(gateway)


async def test_a_job_goes_from_files_to_a_model_whose_name_answers(tuner: Tuner) -> None:
    valid = await tuner.file(rows(2, "No."), "valid.jsonl")
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4, "batch_size": 2}}}
    made = await tuner.job(
        validation_file=valid, seed=7, method=method, suffix="First try", metadata={"for": "show"}
    )
    assert (made.status, made.fine_tuned_model, made.seed, made.metadata) == (
        "validating_files",
        None,
        7,
        {"for": "show"},
    )
    done = await tuner.over(made.id)
    assert (done.status, done.error, done.fine_tuned_model) == ("succeeded", None, "tuned@1")
    assert (done.trained_tokens, done.hyperparameters.n_epochs, done.hyperparameters.batch_size) == (100, 4, 2)
    assert done.finished_at is not None
    assert done.estimated_finish is None

    events = [one async for one in tuner.jobs.list_events(made.id, limit=3)]
    assert events[0].message == "The job has successfully completed"
    assert events[-1].message.startswith("Created fine-tuning job: ftjob-")
    steps: list[Any] = [one.data for one in reversed(events) if one.type == "metrics"]
    assert [one["step"] for one in steps] == list(range(1, STEPS + 1))
    checkpoints = [one async for one in tuner.jobs.checkpoints.list(made.id, limit=1)]
    assert [one.step_number for one in checkpoints] == [STEPS, STEPS // 2]
    named = [one.fine_tuned_model_checkpoint for one in checkpoints]
    assert named == ["tuned@1", f"tuned:ckpt-step-{STEPS // 2}"]  # only the best weights are there to be asked
    assert checkpoints[0].metrics.valid_loss == steps[-1]["train_loss"]

    table = (await tuner.ada.files.content(done.result_files[0])).text
    told = list(csv.DictReader(io.StringIO(table)))
    assert [int(row["step"]) for row in told] == list(range(1, STEPS + 1))
    assert [float(row["train_loss"]) for row in told] == [one["train_loss"] for one in steps]
    page = (await tuner.ada.files.content(done.result_files[1])).text
    assert "<svg" in page
    assert "engine: drained" in page
    reason = "The engine rests while an adapter is trained (REPERTORY_TRAINING_ENGINE=drain)."
    assert tuner.rest.told == [reason, "work"]
    assert "http" not in page.replace("http://www.w3.org", "")

    tuner.gateway.releases.versions["tuned"] = "tuned@1"
    tuner.gateway.engine.models |= {"tuned@1"}
    assert (await tuner.ada.models.retrieve("tuned@1")).id == "tuned@1"
    await tuner.gateway.ask("tuned@1", "Hi", key=tuner.gateway.secret("ada"))
    assert tuner.gateway.engine.requests[-1]["model"] == "tuned@1"
    with pytest.raises(openai.NotFoundError):
        await tuner.gateway.ask("tuned@1", "Hi")


@pytest.mark.parametrize(("engine_does", "word"), [("share", "shared"), ("lower", "lowered")])
async def test_an_engine_that_is_not_drained_answers_on_and_the_page_says_how_the_times_were_taken(
    tuner: Tuner, word: str
) -> None:
    done = await tuner.over((await tuner.job()).id)
    page = (await tuner.ada.files.content(done.result_files[1])).text
    assert f"engine: {word}" in page
    assert tuner.rest.told == []


async def test_jobs_are_listed_by_page_and_label_and_are_their_owners_alone(tuner: Tuner) -> None:
    mine = [(await tuner.job(metadata={"turn": str(number % 2)})).id for number in range(3)]
    listed = await tuner.jobs.list(limit=2)
    assert [one.id for one in listed.data] == [mine[2], mine[1]]
    assert listed.has_more
    assert [one.id async for one in tuner.jobs.list(limit=1)] == mine[::-1]
    found = await tuner.jobs.list(metadata={"turn": "0"})
    assert [one.id for one in found.data] == [mine[2], mine[0]]
    bob = tuner.bob.fine_tuning.jobs
    assert (await bob.list()).data == []
    asks: list[Any] = [
        bob.retrieve(mine[0]),
        bob.cancel(mine[0]),
        bob.pause(mine[0]),
        bob.resume(mine[0]),
        bob.list_events(mine[0]),
        bob.checkpoints.list(mine[0]),
        bob.create(model="tuned", training_file=(await tuner.ada.files.list()).data[0].id),
    ]
    for ask in asks:
        with pytest.raises(openai.NotFoundError):
            await ask


async def test_one_job_is_trained_at_a_time_and_can_be_paused_resumed_and_cancelled(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TRAINER_SECONDS", "0.5")
    first, second = await tuner.job(content=rows(answer="A.")), await tuner.job(content=rows(answer="B."))
    await tuner.until(first.id, "Step 1/")
    await tuner.until(second.id, "moving job to queued state")
    assert (await tuner.jobs.retrieve(first.id)).status == "running"
    assert (await tuner.jobs.retrieve(first.id)).estimated_finish is not None
    assert (await tuner.jobs.retrieve(second.id)).status == "queued"
    await tuner.jobs.pause(first.id)
    monkeypatch.setenv("FAKE_TRAINER_SECONDS", "0")
    await tuner.until(first.id, "has been paused")
    assert (await tuner.over(second.id)).status == "succeeded"
    third = await tuner.job(content=rows(answer="C."))
    assert (await tuner.jobs.cancel(third.id)).id == third.id
    assert (await tuner.over(third.id)).status in ("cancelled", "succeeded")
    with pytest.raises(openai.ConflictError):
        await tuner.jobs.cancel(third.id)
    await tuner.jobs.resume(first.id)
    assert (await tuner.over(first.id)).status == "succeeded"


@pytest.mark.parametrize(
    ("fields", "content", "code", "param"),
    [
        ({}, rows(system="You are another."), "system_prompt_differs", "training_file"),
        ({"method": {"type": "dpo"}}, rows(), "wrong_format", "training_file"),
        ({}, json.dumps(PAIR).encode(), "wrong_format", "training_file"),
    ],
)
async def test_what_cannot_be_learnt_fails_before_any_training_and_says_why(
    tuner: Tuner, fields: dict[str, Any], content: bytes, code: str, param: str
) -> None:
    done = await tuner.over((await tuner.job(content=content, **fields)).id)
    assert done.status == "failed"
    assert done.error is not None
    assert (done.error.code, done.error.param) == (code, param)
    assert not [one async for one in tuner.jobs.list_events(done.id) if one.type == "metrics"]


async def test_an_example_may_not_stand_in_both_files(tuner: Tuner) -> None:
    valid = await tuner.file(rows(1), "valid.jsonl")
    done = await tuner.over((await tuner.job(validation_file=valid)).id)
    assert done.error is not None
    assert (done.error.code, done.error.param) == ("files_overlap", "validation_file")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        (
            {"method": {"type": "reinforcement", "reinforcement": {"grader": {}}}},
            "unsupported_value",
            "method.type",
        ),
        ({"method": {"type": "supervised", "dpo": {}}}, "invalid_value", "method.dpo"),
        ({"integrations": [{"type": "wandb"}]}, "unsupported_parameter", "integrations"),
        ({"hyperparameters": {"n_epochs": 0}}, "invalid_value", "hyperparameters.n_epochs"),
        (
            {"method": {"type": "supervised", "supervised": {"hyperparameters": {"use_dora": True}}}},
            "unknown",
            "use_dora",
        ),
        ({"seed": -1}, "invalid_value", "seed"),
        ({"suffix": "x" * 65}, "invalid_value", "suffix"),
    ],
)
async def test_what_is_not_offered_is_refused_by_name(
    tuner: Tuner, fields: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await tuner.jobs.create(model="tuned", training_file="file-x", **fields)
    assert str(refused.value.code).startswith(code)
    assert param in str(refused.value.param)


@pytest.mark.parametrize("kind", ["supervised", "dpo"])
async def test_hyperparameters_may_be_null_wherever_they_stand(tuner: Tuner, kind: str) -> None:
    method: Any = {"type": kind, kind: {"hyperparameters": None}}
    made = await tuner.job(method=method, extra_body={"hyperparameters": None})
    assert made.hyperparameters.n_epochs == "auto"


async def test_a_job_needs_a_known_model_a_file_for_fine_tuning_and_the_scope(tuner: Tuner) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await tuner.job(model="nobody")
    assert missing.value.code == "model_not_found"
    other = await tuner.ada.files.create(file=("notes.md", b"Notes."), purpose="assistants")
    with pytest.raises(openai.BadRequestError) as refused:
        await tuner.jobs.create(model="tuned", training_file=other.id)
    assert refused.value.param == "training_file"
    with pytest.raises(openai.AuthenticationError):
        await tuner.gateway.openai().fine_tuning.jobs.list()
    with pytest.raises(openai.PermissionDeniedError):
        await tuner.gateway.openai(tuner.gateway.secret("cyd", Scope.CHAT)).fine_tuning.jobs.list()


async def test_the_base_itself_is_tuned_under_the_name_of_the_suffix(tuner: Tuner, tmp_path: Path) -> None:
    done = await tuner.over((await tuner.job(model="base", content=rows(system="Any."), suffix="My Coach")).id)
    assert (done.status, done.fine_tuned_model) == ("succeeded", "my-coach@1")
    version = tuner.gateway.services.tuning.registry.get("my-coach", 1)
    assert version.base_fingerprint == BaseModel.load(tmp_path / "models" / "base").fingerprint

    tuner.gateway.releases.versions["my-coach"] = "my-coach@1"
    tuner.gateway.engine.models |= {"my-coach@1"}
    key = tuner.gateway.secret("ada")
    await tuner.gateway.ask("my-coach@1", {"role": "system", "content": "Any."}, "Hi", key=key)
    asked = tuner.gateway.engine.requests[-1]
    assert asked["model"] == "my-coach@1"
    assert asked["messages"] == [{"role": "system", "content": "Any."}, {"role": "user", "content": "Hi"}]
    await tuner.gateway.ask("my-coach@1", "Hi", key=key)
    assert [one["role"] for one in tuner.gateway.engine.requests[-1]["messages"]] == ["user"]
    with pytest.raises(openai.NotFoundError):
        await tuner.ada.models.retrieve("my-coach@2")


async def test_a_trainer_that_is_killed_goes_on_from_its_checkpoint(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await tuner.over((await tuner.job(seed=1)).id)
    monkeypatch.setenv("FAKE_TRAINER_DIES_AT", "4")
    broken = await tuner.over((await tuner.job(seed=1)).id)
    assert broken.status == "succeeded"
    warned = [one async for one in tuner.jobs.list_events(broken.id) if one.level == "warn"]
    assert any("broke off with status" in one.message for one in warned)
    tables = [(await tuner.ada.files.content(job.result_files[0])).text for job in (whole, broken)]
    assert tables[0] == tables[1]
    assert whole.fine_tuned_model == broken.fine_tuned_model  # the same content is the same version
