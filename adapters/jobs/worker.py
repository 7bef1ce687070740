"""Works on jobs, one training at a time, for as long as this process has the lease. Blocking; knows no HTTP."""

import logging
import threading
import time

from adapters.jobs.job import Failure, Job, Step
from adapters.jobs.lease import Lease, LeaseLost
from adapters.jobs.pipeline import Pipeline
from core.errors import RepertoryError, Unavailable

_RENEW_SECONDS = 10.0

logger = logging.getLogger(__name__)


class Worker:
    """Takes jobs from the table. Two threads may use it: one validates files, one trains."""

    def __init__(self, pipeline: Pipeline, lease: Lease) -> None:
        self._pipeline = pipeline
        self._lease = lease
        self._closing = threading.Event()
        self._renewed = -_RENEW_SECONDS

    def holds_lease(self) -> bool:
        """Take or renew the lease; tell whether this process may work."""
        if time.monotonic() - self._renewed < _RENEW_SECONDS:
            return True
        if self._closing.is_set() or not self._lease.take():
            return False
        self._renewed = time.monotonic()
        return True

    def step(self, begin: Step) -> Job | None:
        """Take the next job that waits for `begin` as far as it goes; None: there is nothing to do.

        Raises:
            StepPostponed: it cannot go on now.
        """
        if not self.holds_lease():
            return None
        job = self._pipeline.jobs.claim(begin, self._lease.holder)
        if job is None:
            return None
        try:
            return self._pipeline.advance(job, self._lease.holder, self._halted)
        except LeaseLost as error:
            logger.warning("%s", error.message)
            return None
        except RepertoryError:
            raise
        except Exception:  # the worker edge: one job must not hold up the others
            logger.exception("the fine-tuning job %r", job.id)
            text = f"The server failed on this job. Its log has {job.id!r}."
            return self._pipeline.jobs.fail(job, self._lease.holder, Failure("internal_error", text))

    def sweep(self) -> None:
        """Remove what jobs that are gone or over left behind."""
        folders, jobs = self._pipeline.around.folders, self._pipeline.jobs
        folders.sweep(jobs.statuses)
        for job_id, status in jobs.statuses().items():
            if status.over:
                folders.tidy(job_id)

    def close(self) -> None:
        """Let the work end soon; what is not finished waits for the next worker."""
        self._closing.set()

    def release(self) -> None:
        """Give the lease back, once no thread works any more."""
        self._lease.release()

    def _halted(self) -> bool:
        try:
            return self._closing.is_set() or not self.holds_lease()
        except Unavailable:  # a locked database for a moment; the lease is looked at again
            return self._closing.is_set()
