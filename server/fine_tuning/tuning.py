"""Takes jobs in and runs them beside the requests: files are validated while an earlier job is trained.

Knows personas, files and the engine; must never know how a training works.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Literal, Protocol

import anyio
import anyio.from_thread

from adapters.jobs import Job, Jobs, NewJob, Pipeline, Step, Surroundings, Worker
from adapters.jobs.lease import Lease
from adapters.jobs.store import new_job_id
from adapters.registry import Registry
from adapters.training.launch import LOWERED
from core.errors import InvalidRequest, RepertoryError
from server.files.file import TRAINING, StoredFile
from server.files.store import Files

_POLL_SECONDS = 1.0
_LONGEST_PAUSE = 60.0
_LOG = logging.getLogger(__name__)


EngineDoes = Literal["share", "lower", "drain"]


class Resting(Protocol):
    """An engine that can be kept from working."""

    async def rest(self, reason: str) -> None:
        """Take no more requests, and wait until those under way are answered."""
        ...

    def work(self) -> None:
        """Take requests again."""
        ...


class FineTuning:
    """The jobs of a server.

    Args:
        jobs: the table.
        files: what was uploaded.
        around: what the steps work with; the engine is attached later.
        lease: the right to work on jobs.
        engine_does: while a training runs: `share` the machine, have been `lower`ed for it, or `drain` and rest.
    """

    def __init__(
        self, jobs: Jobs, files: Files, around: Surroundings, lease: Lease, *, engine_does: EngineDoes
    ) -> None:
        self.jobs = jobs
        self._files = files
        self._engine_does = engine_does
        self._around = replace(around, engine=self._beside_engine, publish=self._publish)
        self._engine: Resting | None = None
        self._worker = Worker(Pipeline(jobs, self._around), lease)
        self._wake = anyio.Event()
        self._closing = False

    def attach(self, engine: Resting | None) -> None:
        """Tell which engine shares the machine; call it before `run`."""
        self._engine = engine

    @property
    def registry(self) -> Registry:
        """Where versions are numbered."""
        return self._around.registry

    def create(self, new: NewJob) -> Job:
        """Take a job in. Blocking.

        Raises:
            InvalidRequest: a file is not for fine-tuning.
            NotFound: a file is not there, or another's.
        """
        data = self._file(new.training_file, new.principal, "training_file")
        valid = None
        if new.validation_file is not None:
            valid = self._file(new.validation_file, new.principal, "validation_file")
        job_id, folders = new_job_id(), self._around.folders
        blobs = self._files.blobs
        examples, measured = blobs.path(data.sha256), None if valid is None else blobs.path(valid.sha256)
        uploads = [examples] if measured is None else [examples, measured]
        digest = new.digest(data.sha256, valid.sha256 if valid else "", job_id)
        with folders.taking(job_id, examples, measured, unchanging=uploads):
            job = self.jobs.add(new, digest, job_id)
        anyio.from_thread.run_sync(self.wake)
        return job

    def wake(self) -> None:
        """Tell the workers that there is something to do."""
        self._wake.set()

    def close(self) -> None:
        """Let the workers end soon; what they have not finished waits for the next start."""
        self._closing = True
        self._worker.close()
        self._wake.set()

    async def run(self) -> None:
        """Work on jobs for as long as the server runs."""
        await anyio.to_thread.run_sync(self._begin)
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_up, Step.VALIDATE)
            group.start_soon(self._keep_up, Step.TRAIN)
        await anyio.to_thread.run_sync(self._worker.release)

    async def _keep_up(self, begin: Step) -> None:
        thread, pause = anyio.CapacityLimiter(1), _POLL_SECONDS
        while not self._closing:
            try:
                job = await anyio.to_thread.run_sync(self._worker.step, begin, limiter=thread)
            except RepertoryError as error:
                _LOG.warning("Fine-tuning waits %.0f s: %s", pause, error.message)
                await self._wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = _POLL_SECONDS
            if job is None:
                await self._wait(_POLL_SECONDS)
            else:
                _LOG.info("the fine-tuning job %r is %s", job.id, job.status.value)
                self._wake.set()  # what was validated may be trained now

    async def _wait(self, seconds: float) -> None:
        if not self._closing:
            self._wake = anyio.Event()
            with anyio.move_on_after(seconds):
                await self._wake.wait()

    def _begin(self) -> None:
        if self._worker.holds_lease():
            self._worker.sweep()

    def _file(self, file_id: str, principal: str, param: str) -> StoredFile:
        file = self._files.get(file_id, principal)
        if file.purpose != TRAINING:
            raise InvalidRequest(
                f"The file {file_id!r} was uploaded for {file.purpose!r}. Upload it "
                f"with the purpose {TRAINING!r}.",
                code="invalid_value",
                param=param,
            )
        return file

    def _publish(self, job: Job, name: str, content: bytes) -> str | None:
        return publish(self._files, job, name, content)

    @contextmanager
    def _beside_engine(self) -> Iterator[str]:
        engine = self._engine
        if engine is None:
            yield "none"
            return
        if self._engine_does != "drain":
            yield LOWERED if self._engine_does == "lower" else "shared"
            return
        reason = "The engine rests while an adapter is trained (REPERTORY_TRAINING_ENGINE=drain)."
        anyio.from_thread.run(partial(engine.rest, reason))
        try:
            yield "drained"
        finally:
            anyio.from_thread.run_sync(engine.work)


def publish(files: Files, job: Job, name: str, content: bytes) -> str:
    """Keep a result of `job` as a file of its owner's; told twice, it is kept once."""
    draft = files.blobs.draft()
    try:
        draft.write(content)
        draft.finish()
        return files.add_result(draft, job.new.principal, name, of=job.id).id
    finally:
        draft.discard()


Systems = Callable[[str], str | None]
"""System prompt that a persona is served with; None where there is no such persona."""
