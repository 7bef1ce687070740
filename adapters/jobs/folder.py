"""The folder of a job: its own copies of the examples, the trainer's run, and what is left to look at."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.training.preparation import RECORD
from core.durable import bring_to_disk
from core.errors import InvalidRequest
from core.folder_lock import held

TRAIN, VALID = "train.jsonl", "valid.jsonl"
CURVES = "curves.html"


class JobFolders:
    """One folder for each job under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def of(self, job_id: str) -> Path:
        """Return the folder of a job, whether it exists or not."""
        return self.root / job_id

    def run(self, job_id: str) -> Path:
        """Return the folder that the trainer writes."""
        return self.of(job_id) / "run"

    def record(self, job_id: str) -> Path:
        """Return the record of a finished training."""
        return self.run(job_id) / RECORD

    @contextmanager
    def taking(
        self, job_id: str, data: Path, valid: Path | None, *, unchanging: Collection[Path] = ()
    ) -> Iterator[None]:
        """Give a job files of its own, so that they may be deleted elsewhere.

        Write the job down within: until then no process sweeps its folder, for which nobody has a job yet.

        Args:
            job_id: whose files they become.
            data: the examples.
            valid: those that it is measured on.
            unchanging: those of them whose bytes nobody ever changes: they are linked, the others copied.

        Raises:
            InvalidRequest: a file cannot be read.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with held(self.root, shared=True):
            folder = self.of(job_id)
            folder.mkdir(mode=0o700)
            for source, name in ((data, TRAIN), (valid, VALID)):
                if source is not None:
                    _take(source, folder / name, link=source in unchanging)
            for place in (folder, self.root):
                bring_to_disk(place)
            yield

    def files(self, job_id: str) -> tuple[Path, Path | None]:
        """Return the examples, and those that it is measured on."""
        folder = self.of(job_id)
        valid = folder / VALID
        return folder / TRAIN, valid if valid.is_file() else None

    def tidy(self, job_id: str) -> None:
        """Leave of a job that is over only what tells of it: record, curves and log."""
        folder, run = self.of(job_id), self.run(job_id)
        for name in (TRAIN, VALID):
            (folder / name).unlink(missing_ok=True)
        for entry in run.iterdir() if run.is_dir() else ():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != RECORD:
                entry.unlink()

    def sweep(self, known: Callable[[], Collection[str]]) -> None:
        """Remove folders that no job has; where somebody makes a job just now, they stay until the next time.

        Args:
            known: reads which jobs there are.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with held(self.root, wait=False):
                jobs = known()
                for folder in self.root.iterdir():
                    if folder.name not in jobs and folder.is_dir():
                        shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            return


def _take(source: Path, target: Path, *, link: bool) -> None:
    if link:
        try:
            os.link(source, target)
        except OSError:  # on another disk, or where no file has two names
            _copy(source, target)
    else:
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
        bring_to_disk(target)
    except OSError as error:
        raise InvalidRequest(f"{str(source)!r} cannot be read: {error.strerror}.") from error
