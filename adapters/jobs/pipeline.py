"""The steps of a job, each written down before it begins and when it is done, and each fit to be done twice.

Knows no engine and no HTTP: whoever builds a pipeline hands in what evaluates, what publishes files, and what
keeps the engine out of the way.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.jobs import curves
from adapters.jobs.folder import CURVES, JobFolders
from adapters.jobs.job import Asked, Failure, Job, JobEvent, Status, Step
from adapters.jobs.progress import Told
from adapters.jobs.store import Jobs
from adapters.jobs.validation import Validation
from adapters.registry import Registry
from adapters.training.launch import TRAINER, TrainingHalted, TrainingOrder, run_training
from adapters.verdict import Evaluate, Outcome
from adapters.version import AdapterVersion, Lineage, VersionState
from core.errors import InternalError, RateLimited, RepertoryError, Unavailable, UpstreamFailed

MOST_ATTEMPTS = 4
"""How often a step is begun without getting further."""

_PASSING = (Unavailable, RateLimited, UpstreamFailed)
_FAILED = "server_error"


Halted = Callable[[], bool]
Work = Callable[[Job, str, Halted], Job]


class StepPostponed(Unavailable):
    """A step cannot be done now; it is tried again."""

    code = "step_postponed"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the steps work with.

    Attributes:
        folders: of the jobs.
        base_dir: finds the folder of the base model.
        base: reads what identifies it; blocking.
        limits: what the engine is started for.
        registry: where versions are numbered.
        system_of: system prompt of a persona.
        evaluate: judges a version on the serving engine; None where nothing says how.
        publish: keeps a file for the owner of a job, once, however often it is told to; returns its id.
        engine: keeps the engine out of the way while it is held; gives the word for the record.
        threads: of the trainer, where the job says none.
        save_every: steps between the trainer's checkpoints.
        program: the trainer, or what runs it on another machine.
    """

    folders: JobFolders
    base_dir: Callable[[], Path]
    base: Callable[[], BaseModel]
    limits: ImportLimits
    registry: Registry
    system_of: Callable[[str], str | None] = lambda _persona: None
    evaluate: Evaluate = lambda _version: None
    publish: Callable[[Job, str, bytes], str | None] = lambda _job, _name, _content: None
    engine: Callable[[], AbstractContextManager[str]] = field(default=lambda: nullcontext("none"))
    threads: int = 1
    save_every: int = 50
    program: tuple[str, ...] = TRAINER


class Pipeline:
    """Takes a job from step to step."""

    def __init__(self, jobs: Jobs, around: Surroundings) -> None:
        self.jobs = jobs
        self.around = around
        self.validation = Validation(around.base_dir, around.base, around.limits, around.system_of)

    def advance(self, job: Job, holder: str, halted: Halted = lambda: False) -> Job:
        """Take a job as far as it goes: to its end, or until somebody stops it. Blocking.

        Args:
            job: as `Jobs.claim` returned it.
            holder: who works on it.
            halted: asked now and then; once it says yes, this returns as soon as it can.

        Raises:
            StepPostponed: the next step cannot be done now.
            LeaseLost: another worker has taken the job over.
        """
        for step, work in (
            (Step.VALIDATE, self._validate),
            (Step.TRAIN, self._train),
            (Step.NUMBER, self._number),
            (Step.EVALUATE, self._evaluate),
            (Step.GATE, self._gate),
            (Step.REGISTER, self._register),
        ):
            begun = self.jobs.steps(job.id).get(step)
            if begun is not None and begun.ended_at is not None:
                continue
            if (asked := self.jobs.wanted(job.id, holder)) is not None:
                return self._stopped(job, holder, asked)
            if halted():
                return job
            try:
                job = self._once(step, work, job, holder, halted)
            except TrainingHalted:
                asked = self.jobs.wanted(job.id, holder)
                return job if asked is None else self._stopped(job, holder, asked)
            if job.status.over or step is Step.VALIDATE:
                return job
        return job

    def _once(self, step: Step, work: Work, job: Job, holder: str, halted: Halted) -> Job:
        values: dict[str, object] = {} if step is Step.VALIDATE else {"status": Status.RUNNING}
        record = self.jobs.begin(job, step, holder, **values)
        if record.attempts > MOST_ATTEMPTS:
            text = f"The step {step.value!r} broke off {MOST_ATTEMPTS} times without getting further."
            return self._failed(job, holder, Failure(_FAILED, text))
        try:
            return work(job, holder, halted)
        except _PASSING as error:
            self.jobs.forgive(job, step, holder)  # the job is not to blame
            raise StepPostponed(error.message, retry_after=error.retry_after or 10) from error
        except TrainingHalted:
            self.jobs.forgive(job, step, holder)
            raise
        except InternalError as error:
            self.jobs.note(job, holder, [JobEvent(f"broke-{step}-{record.attempts}", error.message, level="warn")])
            raise StepPostponed(error.message, retry_after=1) from error
        except RepertoryError as error:
            if error.code == "lease_lost":
                raise
            return self._failed(job, holder, Failure(error.code, error.message, error.param))

    def _failed(self, job: Job, holder: str, failure: Failure) -> Job:
        failed = self.jobs.fail(job, holder, failure)
        self.around.folders.tidy(job.id)
        return failed

    def _stopped(self, job: Job, holder: str, asked: Asked) -> Job:
        stopped = self.jobs.stop(job, holder, asked)
        if stopped.status.over:
            self.around.folders.tidy(job.id)
        return stopped

    def _validate(self, job: Job, holder: str, halted: Halted) -> Job:
        data, valid = self.around.folders.files(job.id)
        config = self.validation.settle(job, data, valid)
        told = (
            JobEvent("validated", "Files validated, moving job to queued state"),
            JobEvent("settled", f"{config.method.value}, {config.epochs:g} epochs", data=asdict(config)),
        )
        values = {"status": Status.QUEUED, "config": asdict(config), "holder": None}
        job = self.jobs.end(job, Step.VALIDATE, holder, {}, *told, **values)
        if job.status.over:  # somebody has cancelled it meanwhile
            self.around.folders.tidy(job.id)
        return job

    def _train(self, job: Job, holder: str, halted: Halted) -> Job:
        assert job.config is not None  # noqa: S101  settled by the step before
        data, valid = self.around.folders.files(job.id)
        self.jobs.note(job, holder, [JobEvent("started", "Fine-tuning job started")])
        told = Told(self.jobs, job, holder)
        with self.around.engine() as engine:
            order = TrainingOrder(
                data=data,
                base_dir=self.around.base_dir(),
                out=self.around.folders.run(job.id),
                config=job.config,
                valid=valid,
                threads=job.new.wish.threads or self.around.threads,
                save_every=self.around.save_every,
                engine=engine,
                program=self.around.program,
            )
            run_training(order, told, lambda: halted() or self._unwanted(job, holder))
        record = self._record(job)
        told.fill(record)
        outcome = {"seconds": record["seconds"], "engine": engine, "kept_step": record["kept_step"]}
        tokens = record["trained_tokens"]
        return self.jobs.end(job, Step.TRAIN, holder, outcome, trained_tokens=tokens, estimated_finish=None)

    def _number(self, job: Job, holder: str, halted: Halted) -> Job:
        registry, name = self.around.registry, job.new.adapter
        parent = registry.production(name)
        lineage = Lineage(
            parent=None if parent is None else parent.version,
            job=job.id,
            training_file=job.new.training_file,
            validation_file=job.new.validation_file,
        )
        version = registry.import_folder(
            self.around.folders.run(job.id),
            name,
            base=self.around.base(),
            limits=self.around.limits,
            by=job.new.principal,
            lineage=lineage,
        )
        told = JobEvent("numbered", f"New version created: {version.engine_name}")
        outcome = {"version": version.version, "digest": version.digest}
        return self.jobs.end(job, Step.NUMBER, holder, outcome, told, version=version.version)

    def _evaluate(self, job: Job, holder: str, halted: Halted) -> Job:
        version = self._version(job)
        verdict = self.around.evaluate(version)
        if verdict is None:
            told = JobEvent(
                "not-evaluated", "Nothing says how to evaluate it: it waits for a person.", level="warn"
            )
            return self.jobs.end(job, Step.EVALUATE, holder, {"verdict": None}, told)
        if version.state is VersionState.TRAINED:
            self._move(job, VersionState.EVALUATED, f"evaluation {verdict.evaluation}")
        told = JobEvent("evaluated", f"{verdict.outcome.value}: {verdict.reason}")
        return self.jobs.end(job, Step.EVALUATE, holder, {"verdict": asdict(verdict)}, told)

    def _gate(self, job: Job, holder: str, halted: Halted) -> Job:
        evaluated = self.jobs.steps(job.id)[Step.EVALUATE].outcome or {}
        verdict = evaluated.get("verdict")
        state = self._version(job).state
        if isinstance(verdict, dict) and state is VersionState.EVALUATED:
            to = {Outcome.PASS: VersionState.CANDIDATE, Outcome.FAIL: VersionState.REJECTED}.get(
                verdict["outcome"]
            )
            if to is not None:
                self._move(job, to, str(verdict["reason"]))
        return self.jobs.end(job, Step.GATE, holder, {"state": self._version(job).state.value})

    def _register(self, job: Job, holder: str, halted: Halted) -> Job:
        record = self._record(job)
        shown = curves.page(f"{self._version(job).engine_name}: {job.id}", record)
        (self.around.folders.of(job.id) / CURVES).write_bytes(shown)
        files = {"step_metrics.csv": curves.table(record["curves"]), CURVES: shown}
        ids = [one for name, content in files.items() if (one := self.around.publish(job, name, content))]
        values: dict[str, object] = {
            "status": Status.SUCCEEDED,
            "result_files": ids,
            "holder": None,
            "asked": None,
        }
        told = JobEvent("succeeded", "The job has successfully completed")
        job = self.jobs.end(job, Step.REGISTER, holder, {}, told, **values, finished_at=self.jobs.now())
        self.around.folders.tidy(job.id)
        return job

    def _unwanted(self, job: Job, holder: str) -> bool:
        try:
            return self.jobs.wanted(job.id, holder) is not None
        except RepertoryError:
            return True

    def _version(self, job: Job) -> AdapterVersion:
        assert job.version is not None  # noqa: S101  numbered by a step before
        return self.around.registry.get(job.new.adapter, job.version)

    def _move(self, job: Job, to: VersionState, reason: str) -> None:
        version = self._version(job)
        self.around.registry.transition(version.name, version.version, to, by=job.new.principal, reason=reason)

    def _record(self, job: Job) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.around.folders.record(job.id).read_text(encoding="utf-8"))
        return record
