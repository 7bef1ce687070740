"""Fine-tuning jobs in the database. Blocking; must never know the trainer, the engine or HTTP.

What a worker writes is taken only while it holds the job: one that was thought dead and wakes up changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from adapters.jobs.job import PREFIX, Asked, Failure, Job, JobEvent, NewJob, Status, Step, StepRecord, ToldEvent
from adapters.jobs.lease import LeaseLost, is_gone
from adapters.jobs.tables import events, jobs, steps
from adapters.training.config import TrainingConfig
from adapters.training.defaults import Wish
from core.clock import Clock
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.paging import Page, Slice, page_of

_OPEN = (Status.VALIDATING, Status.QUEUED, Status.RUNNING, Status.PAUSED)
_WAITING = {Step.VALIDATE: (Status.VALIDATING,), Step.TRAIN: (Status.RUNNING, Status.QUEUED)}


class Jobs:
    """The jobs of everybody."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def now(self) -> float:
        """Return the time that is written down."""
        return self._clock()

    # What a caller asks for

    def add(self, new: NewJob, digest: str, job_id: str | None = None) -> Job:
        """Take a job in; its files lie in its folder already."""
        job_id = job_id or new_job_id()
        values: dict[str, object] = {
            "id": job_id,
            "principal": new.principal,
            "model": new.model,
            "persona": new.persona,
            "adapter": new.adapter,
            "suffix": new.suffix,
            "training_file": new.training_file,
            "validation_file": new.validation_file,
            "wish": asdict(new.wish),
            "labels": dict(new.labels),
            "digest": digest,
            "status": Status.VALIDATING,
            "result_files": [],
            "created_at": self._clock(),
        }
        with self._database.write() as connection:
            connection.execute(insert(jobs).values(values))
            self._tell(connection, job_id, JobEvent("created", f"Created fine-tuning job: {job_id}"))
            self._tell(connection, job_id, JobEvent("validating", f"Validating file: {new.training_file}"))
            return _read(connection, job_id)

    def unfinished(self, digest: str) -> Job | None:
        """Return the job that asks for the very same and is not over, if there is one."""
        same = select(jobs).where(jobs.c.digest == digest, jobs.c.status.in_(_OPEN)).order_by(jobs.c.seq)
        with self._database.read() as connection:
            row = connection.execute(same.limit(1)).one_or_none()
        return None if row is None else _job(row)

    def get(self, job_id: str, principal: str | None = None) -> Job:
        """Return a job, of `principal` where one is named.

        Raises:
            NotFound: there is none, or it is another's.
        """
        with self._database.read() as connection:
            return _read(connection, job_id, principal)

    def list(self, principal: str | None, wanted: Slice, labels: Mapping[str, str]) -> Page[Job]:
        """Return a page of the jobs of `principal`, or of everybody, that have these labels.

        Raises:
            NotFound: `after` names none of them.
        """
        owned = select(jobs) if principal is None else select(jobs).where(jobs.c.principal == principal)
        for key, value in labels.items():
            owned = owned.where(jobs.c.labels[key].as_string() == value)
        with self._database.read() as connection:
            return page_of(connection, owned, jobs.c.seq, jobs.c.id, wanted).of(_job)

    def statuses(self) -> dict[str, Status]:
        """Return how far each job is, by its id."""
        with self._database.read() as connection:
            return {row.id: Status(row.status) for row in connection.execute(select(jobs.c.id, jobs.c.status))}

    def ask(self, job_id: str, asked: Asked) -> Job:
        """Cancel a job or pause it: at once where nobody works on it, else as soon as that one hears of it.

        Raises:
            Conflict: it is over or to be cancelled, or its training is over, so that there is nothing to pause.
        """
        told = "cancelled" if asked is Asked.CANCEL else "paused"
        with self._database.write() as connection:
            job = _read(connection, job_id)
            begun = self._steps(connection, job_id)
            if job.status.over or (asked is Asked.PAUSE and (job.status is Status.PAUSED or Step.NUMBER in begun)):
                raise Conflict(f"The job {job_id!r} is {job.status.value} and cannot be {told}.", param="job")
            if asked is Asked.PAUSE and job.asked is Asked.CANCEL:
                raise Conflict(f"The job {job_id!r} is to be cancelled and cannot be paused.", param="job")
            holder = _held(connection, job_id)
            if holder is not None and not is_gone(holder):
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(asked=asked))
            else:
                self._stop(connection, job_id, asked)
            return _read(connection, job_id)

    def resume(self, job_id: str) -> Job:
        """Queue a paused job again.

        Raises:
            Conflict: it is not paused.
        """
        with self._database.write() as connection:
            job = _read(connection, job_id)
            if job.status is not Status.PAUSED and job.asked is not Asked.PAUSE:
                raise Conflict(f"The job {job_id!r} is {job.status.value}, not paused.", param="job")
            validated = Step.VALIDATE in self._done(connection, job_id)
            status = job.status
            if status is Status.PAUSED:
                status = Status.QUEUED if validated else Status.VALIDATING
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(asked=None, status=status))
            self._tell(connection, job_id, JobEvent(f"resumed-{new_id('at')}", "The job has been resumed."))
            return _read(connection, job_id)

    # What a worker does

    def claim(self, step: Step, holder: str) -> Job | None:
        """Hold the next job whose files are to be validated, or that is to be trained; None: there is none.

        Who calls it holds the lease, so that whoever held the job before is gone.
        """
        waiting = select(jobs).where(jobs.c.status.in_(_WAITING[step]))
        first = waiting.order_by(jobs.c.status != Status.RUNNING, jobs.c.seq).limit(1)
        with self._database.read() as connection:
            if connection.execute(first).first() is None:
                return None
        with self._database.write() as connection:
            row = connection.execute(first).one_or_none()
            if row is None:
                return None
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(holder=holder))
            return _job(row)

    def steps(self, job_id: str) -> dict[Step, StepRecord]:
        """Return the steps that were begun."""
        with self._database.read() as connection:
            return self._steps(connection, job_id)

    def begin(self, job: Job, step: Step, holder: str, /, **values: object) -> StepRecord:
        """Write down that a step begins, once more where it was broken off; return it.

        Raises:
            LeaseLost: the job is another worker's.
        """
        now = self._clock()
        with self._database.write() as connection:
            self._change(connection, job.id, holder, values)
            fresh = upsert(steps).values(job=job.id, step=step, attempts=1, begun_at=now)
            again = {"attempts": steps.c.attempts + 1}
            connection.execute(fresh.on_conflict_do_update(index_elements=["job", "step"], set_=again))
            return self._steps(connection, job.id)[step]

    def end(
        self,
        job: Job,
        step: Step,
        holder: str,
        /,
        outcome: Mapping[str, object],
        *told: JobEvent,
        **values: object,
    ) -> Job:
        """Write down that a step is done, what it leaves behind, and what the job is then.

        Where that lets go of it, what somebody has asked meanwhile is done: nobody else hears of it soon.

        Raises:
            LeaseLost: the job is another worker's.
        """
        mine = steps.c.job == job.id, steps.c.step == step
        done = {"ended_at": self._clock(), "outcome": dict(outcome)}
        with self._database.write() as connection:
            self._change(connection, job.id, holder, values)
            connection.execute(update(steps).where(*mine).values(done))
            for event in told:
                self._tell(connection, job.id, event)
            now = _read(connection, job.id)
            if now.asked is not None and _held(connection, job.id) is None:
                self._stop(connection, job.id, now.asked)
            return _read(connection, job.id)

    def forgive(self, job: Job, step: Step, holder: str) -> None:
        """Begin to count the attempts anew: it has got further."""
        with self._database.write(durable=False) as connection:
            self._change(connection, job.id, holder, {})
            mine = steps.c.job == job.id, steps.c.step == step
            connection.execute(update(steps).where(*mine).values(attempts=1))

    def note(self, job: Job, holder: str, told: Collection[JobEvent], /, **values: object) -> None:
        """Tell what happens within a step; a power cut may take the last of it away.

        Raises:
            LeaseLost: the job is another worker's.
        """
        with self._database.write(durable=False) as connection:
            self._change(connection, job.id, holder, values)
            for event in told:
                self._tell(connection, job.id, event)

    def wanted(self, job_id: str, holder: str) -> Asked | None:
        """Return what somebody wants of a job.

        Raises:
            LeaseLost: the job is another worker's.
        """
        with self._database.read() as connection:
            if _held(connection, job_id) != holder:
                raise _lost(job_id)
            return _read(connection, job_id).asked

    def stop(self, job: Job, holder: str, asked: Asked) -> Job:
        """Let go of a job that somebody wanted to be stopped.

        Raises:
            LeaseLost: the job is another worker's.
        """
        with self._database.write() as connection:
            self._change(connection, job.id, holder, {})
            self._stop(connection, job.id, asked)
            return _read(connection, job.id)

    def fail(self, job: Job, holder: str, failure: Failure) -> Job:
        """End a job that cannot succeed.

        Raises:
            LeaseLost: the job is another worker's.
        """
        over = {"status": Status.FAILED, "error": asdict(failure), "finished_at": self._clock(), "asked": None}
        with self._database.write() as connection:
            self._change(connection, job.id, holder, {**over, "estimated_finish": None, "holder": None})
            told = f"The job failed: {failure.message}"
            self._tell(connection, job.id, JobEvent("failed", told, level="error"))
            return _read(connection, job.id)

    def give_up(self) -> int:
        """Fail what is open, after a restore: backups hold no half-done training."""
        failure = Failure(
            "restored", "The server was restored from a backup, which holds no job that is under way."
        )
        over = {"status": Status.FAILED, "finished_at": self._clock(), "holder": None, "error": asdict(failure)}
        with self._database.write() as connection:
            return connection.execute(update(jobs).where(jobs.c.status.in_(_OPEN)).values(over)).rowcount

    # What is told

    def events(self, job_id: str, wanted: Slice) -> Page[ToldEvent]:
        """Return a page of a job's events.

        Raises:
            NotFound: `after` names none of them.
        """
        return self._told(select(events).where(events.c.job == job_id, events.c.type != "checkpoint"), wanted)

    def checkpoints(self, job_id: str, wanted: Slice) -> Page[ToldEvent]:
        """Return a page of a job's checkpoints.

        Raises:
            NotFound: `after` names none of them.
        """
        return self._told(select(events).where(events.c.job == job_id, events.c.type == "checkpoint"), wanted)

    def all_events(self, job_id: str, *kinds: str) -> Sequence[ToldEvent]:
        """Return every event of these types, the first one first."""
        query = select(events).where(events.c.job == job_id, events.c.type.in_(kinds)).order_by(events.c.seq)
        with self._database.read() as connection:
            return [_told(row) for row in connection.execute(query)]

    def _told(self, query: Select[Any], wanted: Slice) -> Page[ToldEvent]:
        with self._database.read() as connection:
            return page_of(connection, query, events.c.seq, events.c.id, wanted).of(_told)

    def _tell(self, connection: Connection, job_id: str, event: JobEvent) -> None:
        prefix = "ftckpt" if event.type == "checkpoint" else "ftevent"
        row = {"id": new_id(prefix), "job": job_id, "created_at": self._clock(), **asdict(event)}
        connection.execute(upsert(events).values(row).on_conflict_do_nothing(index_elements=["job", "key"]))

    def _change(self, connection: Connection, job_id: str, holder: str, values: Mapping[str, object]) -> None:
        mine = update(jobs).where(jobs.c.id == job_id, jobs.c.holder == holder)
        if not connection.execute(mine.values(values or {"holder": holder})).rowcount:
            raise _lost(job_id)

    def _stop(self, connection: Connection, job_id: str, asked: Asked) -> None:
        values: dict[str, object] = {"asked": None, "holder": None, "estimated_finish": None}
        if asked is Asked.PAUSE:
            values["status"] = Status.PAUSED
            event = JobEvent(f"paused-{new_id('at')}", "The job has been paused.")
        else:
            values |= {"status": Status.CANCELLED, "finished_at": self._clock()}
            event = JobEvent("cancelled", "The job has been cancelled.")
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))
        self._tell(connection, job_id, event)

    def _done(self, connection: Connection, job_id: str) -> set[Step]:
        return {step for step, one in self._steps(connection, job_id).items() if one.ended_at is not None}

    def _steps(self, connection: Connection, job_id: str) -> dict[Step, StepRecord]:
        rows = connection.execute(select(steps).where(steps.c.job == job_id))
        found = [StepRecord(Step(r.step), r.attempts, r.begun_at, r.ended_at, r.outcome) for r in rows]
        return {one.step: one for one in found}


def new_job_id() -> str:
    """Return the id of a job that is about to be made."""
    return new_id(PREFIX)


def _held(connection: Connection, job_id: str) -> str | None:
    holder: str | None = connection.execute(select(jobs.c.holder).where(jobs.c.id == job_id)).scalar_one_or_none()
    return holder


def _lost(job_id: str) -> LeaseLost:
    return LeaseLost(f"Another worker has taken the job {job_id!r} over.")


def _read(connection: Connection, job_id: str, principal: str | None = None) -> Job:
    query = select(jobs).where(jobs.c.id == job_id)
    if principal is not None:
        query = query.where(jobs.c.principal == principal)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"No such fine-tuning job: {job_id!r}.", code="fine_tuning_job_not_found", param="job")
    return _job(row)


def _job(row: Row[Any]) -> Job:
    new = NewJob(
        principal=row.principal,
        model=row.model,
        adapter=row.adapter,
        training_file=row.training_file,
        validation_file=row.validation_file,
        persona=row.persona,
        suffix=row.suffix,
        wish=Wish.read(row.wish),
        labels=row.labels,
    )
    return Job(
        id=row.id,
        new=new,
        digest=row.digest,
        status=Status(row.status),
        asked=None if row.asked is None else Asked(row.asked),
        config=None if row.config is None else TrainingConfig.read(row.config),
        version=row.version,
        trained_tokens=row.trained_tokens,
        result_files=tuple(row.result_files),
        error=None if row.error is None else Failure(**row.error),
        estimated_finish=row.estimated_finish,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _told(row: Row[Any]) -> ToldEvent:
    return ToldEvent(row.id, JobEvent(row.key, row.message, row.level, row.type, row.data), row.created_at)
