"""Jobs of hooks and their callbacks in the database. Blocking; must never know HTTP or the engine.

An outcome and the callback that tells it are written in one transaction, so that a kill leaves both or none. A
callback's bytes never change afterwards.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, insert, select, update

from core.clock import Clock
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import PersonaId, new_id
from server.hooks.job import Callback, CallbackState, Job, JobState, Outcome
from server.hooks.tables import callbacks, jobs

_KEPT_SECONDS = 7 * 86_400.0
_OPEN = (JobState.QUEUED, JobState.WAITING)


class HookJobs:
    """The jobs of all hooks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def accept(
        self,
        persona: PersonaId,
        hook: str,
        *,
        delivery: str,
        content: bytes,
        question: str,
        reference: str | None,
        callback_url: str | None,
    ) -> Job:
        """Take a question in, or return the job that the same delivery made before.

        Raises:
            Conflict: a delivery of this id said something else.
        """
        digest, now = hashlib.sha256(content).hexdigest(), self._clock()
        mine = (jobs.c.persona == persona, jobs.c.hook == hook, jobs.c.delivery == delivery)
        with self._database.write() as connection:
            known = connection.execute(select(jobs).where(*mine)).one_or_none()
            if known is None:
                values = {
                    "id": new_id("hook"),
                    "persona": persona,
                    "hook": hook,
                    "delivery": delivery,
                    "content_hash": digest,
                    "question": question,
                    "reference": reference,
                    "callback_url": callback_url,
                    "state": JobState.QUEUED,
                    "attempts": 0,
                    "next_at": now,
                    "created_at": now,
                }
                connection.execute(insert(jobs).values(**values))
                known = connection.execute(select(jobs).where(*mine)).one()
        if known.content_hash != digest:
            raise Conflict(
                f"The delivery {delivery!r} came before with another body. Give each delivery an id of its own.",
                code="delivery_reused",
            )
        return _job(known)

    def get(self, job_id: str) -> tuple[Job, Callback | None]:
        """Return a job and its last callback.

        Raises:
            NotFound: there is none.
        """
        last = select(callbacks).where(callbacks.c.job == job_id).order_by(callbacks.c.seq.desc()).limit(1)
        with self._database.read() as connection:
            job = _read(connection, job_id)
            row = connection.execute(last).one_or_none()
        return job, None if row is None else _callback(row)

    def list(self, limit: int = 100) -> list[tuple[Job, Callback | None]]:
        """Return the newest jobs, the newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(jobs).order_by(jobs.c.seq.desc()).limit(limit)).all()
            found = [_job(row) for row in rows]
            told = (
                select(callbacks).where(callbacks.c.job.in_([job.id for job in found])).order_by(callbacks.c.seq)
            )
            last = {row.job: _callback(row) for row in connection.execute(told)}
        return [(job, last.get(job.id)) for job in found]

    def next(self, busy: Collection[str]) -> Job | None:
        """Return the job that has been due for longest and is not `busy`."""
        due = jobs.c.state == JobState.QUEUED, jobs.c.next_at <= self._clock(), jobs.c.id.not_in(busy)
        with self._database.read() as connection:
            row = connection.execute(
                select(jobs).where(*due).order_by(jobs.c.next_at, jobs.c.seq).limit(1)
            ).first()
        return None if row is None else _job(row)

    def waiting(self) -> Sequence[Job]:
        """Return the jobs that wait for a person."""
        with self._database.read() as connection:
            rows = connection.execute(select(jobs).where(jobs.c.state == JobState.WAITING)).all()
        return [_job(row) for row in rows]

    def begin(self, job: Job) -> None:
        """Count one more attempt, before it is made: one that takes the server down must not go on for ever."""
        self._set(job, attempts=job.attempts + 1)

    def postpone(self, job: Job, until: float) -> None:
        """Try again later, without counting this attempt: the job is not to blame."""
        self._set(job, attempts=job.attempts, next_at=until)

    def go_on(self, job: Job) -> None:
        """Queue a job again whose calls a person has decided on."""
        self._set(job, state=JobState.QUEUED, attempts=0, next_at=self._clock())

    def finish(self, job: Job, outcome: Outcome) -> None:
        """Write down what came of a job, and the callback that tells it."""
        now = self._clock()
        ended = outcome.state not in _OPEN
        still = update(jobs).where(jobs.c.id == job.id, jobs.c.state == JobState.QUEUED)
        with self._database.write() as connection:
            moved = still.values(state=outcome.state, attempts=0, finished_at=now if ended else None)
            if connection.execute(moved).rowcount:
                _tell(connection, job, outcome, now)

    def retry(self, job_id: str) -> Job:
        """Try again what failed or was given up: the job, else its callbacks.

        Raises:
            NotFound: there is no such job.
            Conflict: there is nothing to try again.
        """
        now = self._clock()
        given_up = callbacks.c.job == job_id, callbacks.c.state == CallbackState.GIVEN_UP
        with self._database.write() as connection:
            job = _read(connection, job_id)
            if job.state is JobState.FAILED:
                fresh = {"state": JobState.QUEUED, "attempts": 0, "next_at": now, "created_at": now}
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(**fresh, finished_at=None))
            again = {"state": CallbackState.PENDING, "attempts": 0, "next_at": now, "begun_at": now}
            count = connection.execute(update(callbacks).where(*given_up).values(**again)).rowcount
            if job.state is not JobState.FAILED and not count:
                raise Conflict(f"The job {job_id!r} is {job.state.value}, and none of its callbacks was given up.")
            return _read(connection, job_id)

    def next_callback(self, busy: Collection[str]) -> tuple[Job, Callback] | None:
        """Return the callback that has been due for longest and is not `busy`; of a job, the oldest first."""
        due = callbacks.c.state == CallbackState.PENDING, callbacks.c.next_at <= self._clock()
        earlier = callbacks.alias()
        blocked = select(earlier.c.id).where(
            earlier.c.job == callbacks.c.job,
            earlier.c.seq < callbacks.c.seq,
            earlier.c.state == CallbackState.PENDING,
        )
        query = select(callbacks).where(*due, callbacks.c.id.not_in(busy), ~blocked.exists())
        with self._database.read() as connection:
            row = connection.execute(query.order_by(callbacks.c.next_at, callbacks.c.seq).limit(1)).first()
            return None if row is None else (_read(connection, row.job), _callback(row))

    def delivered(self, callback: Callback, status: int | None) -> None:
        """Note that a callback was taken."""
        self._mark(callback, state=CallbackState.DELIVERED, delivered_at=self._clock(), last_status=status)

    def undelivered(self, callback: Callback, status: int | None, again_at: float | None) -> None:
        """Note that a callback was not taken; `again_at` is when it is tried again, None to give it up."""
        state = CallbackState.GIVEN_UP if again_at is None else CallbackState.PENDING
        next_at = callback.next_at if again_at is None else again_at
        self._mark(callback, state=state, next_at=next_at, last_status=status)

    def sweep(self) -> int:
        """Delete what ended a week ago; return how many jobs went."""
        old = self._clock() - _KEPT_SECONDS
        pending = select(callbacks.c.job).where(callbacks.c.state == CallbackState.PENDING)
        ended = select(jobs.c.id).where(jobs.c.finished_at < old, jobs.c.id.not_in(pending))
        with self._database.write() as connection:
            connection.execute(delete(callbacks).where(callbacks.c.job.in_(ended)))
            return connection.execute(delete(jobs).where(jobs.c.id.in_(ended))).rowcount

    def give_up(self) -> int:
        """Fail what is open, after a restore, and tell nobody: it may have been answered since the backup."""
        over = {"state": JobState.FAILED, "finished_at": self._clock()}
        with self._database.write() as connection:
            return connection.execute(update(jobs).where(jobs.c.state.in_(_OPEN)).values(**over)).rowcount

    def _set(self, job: Job, **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job.id, jobs.c.state.in_(_OPEN)).values(**values))

    def _mark(self, callback: Callback, **values: object) -> None:
        mine = callbacks.c.id == callback.id, callbacks.c.state == CallbackState.PENDING
        with self._database.write() as connection:
            connection.execute(update(callbacks).where(*mine).values(attempts=callback.attempts + 1, **values))


def _tell(connection: Connection, job: Job, outcome: Outcome, now: float) -> None:
    callback_id = new_id("callback")
    told = {
        "delivery": callback_id,
        "job": job.id,
        "persona": job.persona,
        "reference": job.reference,
        "status": "done",
        "answer": None,
        "citations": [],
        "approvals": [],
        "error": None,
        **outcome.told,
    }
    row = {
        "id": callback_id,
        "job": job.id,
        "body": orjson.dumps(told).decode(),
        "state": CallbackState.PENDING if job.callback_url else CallbackState.KEPT,
        "attempts": 0,
        "next_at": now,
        "begun_at": now,
    }
    connection.execute(insert(callbacks).values(**row))


def _read(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job_id!r}. `repertory hook list` shows the newest ones.")
    return _job(row)


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        persona=PersonaId(row.persona),
        hook=row.hook,
        delivery=row.delivery,
        question=row.question,
        reference=row.reference,
        callback_url=row.callback_url,
        state=JobState(row.state),
        attempts=row.attempts,
        next_at=row.next_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _callback(row: Row[Any]) -> Callback:
    return Callback(
        id=row.id,
        job=row.job,
        body=row.body,
        state=CallbackState(row.state),
        attempts=row.attempts,
        next_at=row.next_at,
        begun_at=row.begun_at,
        delivered_at=row.delivered_at,
        last_status=row.last_status,
    )
