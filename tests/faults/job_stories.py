"""A fine-tuning job from its files to a candidate, told step by step; and what must be true after a kill in it."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.jobs import Job, Jobs, NewJob, Pipeline, Status, Step, Surroundings, Worker
from adapters.jobs.folder import CURVES, JobFolders
from adapters.jobs.lease import Lease
from adapters.jobs.store import new_job_id
from adapters.registry import Registry
from adapters.training.defaults import Wish
from adapters.verdict import Outcome, Verdict
from adapters.version import VersionState
from core.blobs import Blobs
from core.database import Database
from core.digest import hash_of_file
from core.paging import Slice
from server.files.store import Files
from server.fine_tuning.tuning import publish
from tests.fakes.trainer import STEPS, losses
from tests.faults.document_models import Fact
from tests.faults.witness import Witness

_NOW = 1_800_000_000.0
_VERDICT = Verdict(Outcome.PASS, "It answers better than the prompt alone.", "eval-1")
_ALL = Slice(100, "asc")


class JobHouse:
    """Everything that a job needs, over one data directory."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.database = Database(base / "repertory.db")
        self.registry = Registry(self.database, base / "adapters")
        self.files = Files(self.database, Blobs(base / "blobs"), lambda: _NOW)
        self.jobs = Jobs(self.database, lambda: _NOW)
        self.folders = JobFolders(base / "training")
        self.around = Surroundings(
            folders=self.folders,
            base_dir=lambda: base / "base",
            base=lambda: BaseModel.load(base / "base"),
            limits=ImportLimits(),
            registry=self.registry,
            evaluate=lambda _version: _VERDICT,
            publish=lambda job, name, content: publish(self.files, job, name, content),
            save_every=3,
            program=(sys.executable, "-m", "tests.fakes.trainer"),
        )
        self.worker = Worker(Pipeline(self.jobs, self.around), Lease(self.database, lambda: _NOW))

    def create(self) -> Job:
        """Take the job in."""
        data, job_id = self.data(), new_job_id()
        new = NewJob("key:ada", "base", "coach", "file-1", wish=Wish(seed=1))
        with self.folders.taking(job_id, data, None):
            return self.jobs.add(new, new.digest(hash_of_file(data)), job_id)

    def data(self) -> Path:
        """Return the examples."""
        path = self._base / "talks.jsonl"
        if not path.exists():
            talks = [
                [{"role": "user", "content": f"Is {number} even?"}, {"role": "assistant", "content": "Ask me."}]
                for number in range(4)
            ]
            path.write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in talks))
        return path

    def finish(self) -> None:
        """Work until there is nothing to do."""
        while self.worker.step(Step.VALIDATE) is not None or self.worker.step(Step.TRAIN) is not None:
            pass


def jobs(base: Path, witness: Witness) -> None:
    """Ask for a job and work on it."""
    house = JobHouse(base)
    witness.attempt("job")
    job = house.create()
    witness.acknowledge("job", job.id)
    house.finish()
    witness.acknowledge("done", job.id)


def check_jobs(base: Path, done: Sequence[Fact], tried: Fact | None) -> None:
    """The job goes on at the step that it was killed at, and ends as if nobody had; nothing is there twice."""
    house = JobHouse(base)
    house.registry.reconcile()
    assert house.worker.holds_lease()  # whoever held it is dead, and nobody has to wait
    house.worker.sweep()
    known = house.jobs.list("key:ada", _ALL, {}).items
    promised = [fact[1] for fact in done if fact[0] == "job"]
    assert [job.id for job in known] == promised or (tried == ("job",) and len(known) <= 1)
    if ("done", *promised) in done:
        assert known[0].status is Status.SUCCEEDED
    job = known[0] if known else house.create()
    house.finish()
    job = house.jobs.get(job.id, "key:ada")
    assert (job.status, job.error, job.version) == (Status.SUCCEEDED, None, 1)
    steps = house.jobs.steps(job.id)
    assert set(steps) == set(Step)
    assert all(one.ended_at is not None for one in steps.values())
    _check_results(house, job)
    assert {path.name for path in (base / "training").iterdir()} == {job.id}
    left = {path.name for path in house.folders.of(job.id).rglob("*") if path.is_file()}
    assert left == {CURVES, "run.json", "run.log", "run.lock"}
    house.database.close()


def _check_results(house: JobHouse, job: Job) -> None:
    (version,) = house.registry.list("coach")
    manifest = house.registry.verify("coach", 1)
    assert (manifest["job"], manifest["training_file"], manifest["parent"]) == (job.id, "file-1", None)
    assert manifest["data"] is not None
    assert version.state is VersionState.CANDIDATE
    went = [one.to_state for one in house.registry.history("coach")]
    assert went == [VersionState.TRAINED, VersionState.EVALUATED, VersionState.CANDIDATE]
    kept = house.files.list("key:ada", _ALL).items
    assert [file.id for file in kept] == list(job.result_files)
    assert [file.filename for file in kept] == ["step_metrics.csv", CURVES]
    curve = losses(hash_of_file(house.data()))
    table = house.files.blobs.path(kept[0].sha256).read_text()
    assert [float(row["train_loss"]) for row in csv.DictReader(io.StringIO(table))] == curve
    told = sorted(house.jobs.all_events(job.id, "metrics"), key=lambda one: int(str(one.event.data["step"])))
    assert [one.event.data["step"] for one in told] == list(range(1, STEPS + 1))
    assert [one.event.data["train_loss"] for one in told] == curve
