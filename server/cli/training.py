"""`repertory adapter train`: a job for the server that runs, or worked on here, and how far it is."""

import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress, TaskID

from adapters import AdapterVersion, Registry
from adapters.jobs import Job, Jobs, NewJob, Pipeline, Status, Step, Worker
from adapters.jobs.folder import JobFolders
from adapters.jobs.lease import Lease
from adapters.jobs.store import new_job_id
from adapters.training.defaults import Wish
from adapters.version import VersionState, check_name
from core.blobs import Blobs
from core.clock import system_clock
from core.database import Database
from core.digest import hash_of_file
from core.errors import InvalidRequest, RepertoryError
from server.assembly import surroundings_of, system_prompt_of
from server.cli.adapter_versions import BY
from server.cli.persona_actions import read_persona
from server.cli.progress_bar import bar_with_rate
from server.cli.session import Session
from server.files.store import Files
from server.fine_tuning.tuning import publish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.jobs.job import ToldEvent
    from server.settings import Settings

_POLL_SECONDS = 0.5


NamedFile = tuple[Path, str]
"""A file, and what the person calls it."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person chose of a training.

    Attributes:
        wish: hyperparameters.
        valid: examples to measure on.
        persona: whom the adapter is for, if the data is to be compared with its system prompt.
    """

    wish: Wish
    valid: NamedFile | None = None
    persona: str | None = None


def train_version(session: Session, dataset: NamedFile, name: str, choices: Choices) -> AdapterVersion:
    """Train on `dataset` and register the result as the next version of `name`.

    The same command finds a job that is not finished again, and goes on with it.

    Raises:
        InvalidRequest: the data cannot be learnt; the message names the line.
        InternalError: the training broke off; the message names its log.
    """
    settings = session.settings()
    check_name(name)
    with session.database() as database:
        following = _Following(settings, database)
        job = following.job(dataset, name, choices)
        ended = following.until_over(job)
        if ended.error is not None:
            raise InvalidRequest(ended.error.message, code=ended.error.code, param=ended.error.param)
        if ended.version is None:
            raise InvalidRequest(f"The job {job.id!r} is {ended.status.value}.", code=f"job_{ended.status.value}")
        return Registry(database, settings.adapters_dir, system_clock).get(name, ended.version)


def outcome(version: AdapterVersion) -> str:
    """Return in one sentence or two what came out of a training, and what to do next."""
    name, number = version.name, version.version
    told = {
        VersionState.TRAINED: "Nothing has judged it yet: `repertory eval run FILE --version {number}` does.",
        VersionState.EVALUATED: "Its gate could not tell: `repertory eval list` names the report that says why.",
        VersionState.REJECTED: "Its gate says no: `repertory eval list` names the report that says why.",
        VersionState.CANDIDATE: "It passed its gate: someone else says `adapter approve {name} {number}`.",
        VersionState.PRODUCTION: "It passed its gate and answers now.",
    }
    after = told.get(version.state, "It is {state} already.")
    return f"Trained {version.engine_name}. {after.format(name=name, number=number, state=version.state)}"


class _Following:
    """One job, from its beginning to its end, whoever works on it."""

    def __init__(self, settings: "Settings", database: Database) -> None:
        self._settings = settings
        self._systems: dict[str, str] = {}
        self._jobs = Jobs(database, system_clock)
        self._folders = JobFolders(settings.training_dir)
        files = Files(database, Blobs(settings.blobs_dir), system_clock)
        around = replace(
            surroundings_of(settings, database, system_clock, self._system_of),
            publish=lambda job, name, content: publish(files, job, name, content),
            engine=lambda: nullcontext("none"),
        )
        self._pipeline = Pipeline(self._jobs, around)
        self._worker = Worker(self._pipeline, Lease(database, system_clock))

    def job(self, dataset: NamedFile, name: str, choices: Choices) -> Job:
        """Return the unfinished job that asks for the very same, or a new one."""
        persona = self._resolved(choices.persona)
        (data, called), wish = dataset, choices.wish
        valid, valid_called = choices.valid or (None, None)
        wish.check()
        self._pipeline.validation.check_rank(wish)
        new = NewJob(
            principal=BY,
            model=persona or self._settings.base_model,
            persona=persona,
            adapter=name,
            training_file=called,
            validation_file=valid_called,
            wish=wish,
        )
        digest = new.digest(hash_of_file(data), hash_of_file(valid) if valid else "")
        found = self._jobs.unfinished(digest)
        if found is not None:
            return self._jobs.resume(found.id) if found.status is Status.PAUSED else found
        job_id = new_job_id()
        ours = [path for path in (data, valid) if path and path.is_relative_to(self._settings.datasets_dir)]
        with self._folders.taking(job_id, data, valid, unchanging=ours):
            return self._jobs.add(new, digest, job_id)

    def until_over(self, job: Job) -> Job:
        """Show how far the job is, and work on it where nobody else does."""
        over = threading.Event()
        working = threading.Thread(target=self._work, args=(over,))
        bar = bar_with_rate()
        with bar:
            shown = _Shown(bar, bar.add_task("Validating the files", total=None, rate=""))
            working.start()
            try:
                while not (job := self._jobs.get(job.id)).status.over and job.status is not Status.PAUSED:
                    shown.update(self._jobs.all_events(job.id, "message", "metrics", "checkpoint"))
                    time.sleep(_POLL_SECONDS)
            finally:
                over.set()
                self._worker.close()
                working.join()
                self._worker.release()
            shown.update(self._jobs.all_events(job.id, "message", "metrics", "checkpoint"))
        return job

    def _work(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                if self._worker.step(Step.VALIDATE) is None and self._worker.step(Step.TRAIN) is None:
                    over.wait(_POLL_SECONDS)
            except RepertoryError as error:  # a passing failure: the job waits, and this thread must not end
                over.wait(error.retry_after or _POLL_SECONDS)

    def _resolved(self, persona: str | None) -> str | None:
        """Return the id of the persona that is named by its id or its file."""
        if persona is None:
            return None
        found = read_persona(self._settings, persona)
        self._systems[found.id] = system_prompt_of(found)
        return found.id

    def _system_of(self, persona: str) -> str | None:
        if persona not in self._systems:  # of a job that another command began
            try:
                self._resolved(persona)
            except InvalidRequest:
                return None
        return self._systems[persona]


class _Shown:
    """What the person sees of a job's events."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task
        self._seen: set[str] = set()

    def update(self, events: "Sequence[ToldEvent]") -> None:
        """Show what is new."""
        for told in events:
            event = told.event
            if told.id in self._seen:
                continue
            self._seen.add(told.id)
            if event.type == "metrics":
                loss, left = float(str(event.data["train_loss"])), event.data["seconds_left"]
                done, total = int(str(event.data["step"])), int(str(event.data["total_steps"]))
                pace = f"{float(str(left)) / (total - done):.1f} s a step" if left and done < total else ""
                description = f"Training, loss {loss:.3f}"
                self._bar.update(self._task, description=description, completed=done, total=total, rate=pace)
            else:
                self._bar.console.print(event.message, markup=False)
