"""What a trainer tells, as events of its job. Each is told once: after a resumption the trainer repeats itself."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from adapters.jobs.job import Job, JobEvent, Step
from adapters.jobs.store import Jobs
from adapters.training import progress as trainer
from core.errors import InvalidRequest


class Told:
    """Hears the trainer of one job."""

    def __init__(self, jobs: Jobs, job: Job, holder: str) -> None:
        self._jobs = jobs
        self._job = job
        self._holder = holder
        self._further = False
        self._seen = max(
            (int(one.event.key.partition("-")[2]) for one in jobs.all_events(job.id, "metrics")), default=0
        )

    def __call__(self, event: trainer.Event) -> None:
        """Write an event down.

        Raises:
            LeaseLost: the job is another worker's.
            InvalidRequest: the training has diverged; what it does further is of no use.
        """
        if isinstance(event, trainer.Step):
            left = self._jobs.now() + (event.seconds_left or 0.0)
            self._jobs.note(self._job, self._holder, [_of_step(event)], estimated_finish=left)
            if event.step > self._seen and not self._further:
                self._further = True
                self._jobs.forgive(self._job, Step.TRAIN, self._holder)
        elif isinstance(event, trainer.Validation):
            self._jobs.note(self._job, self._holder, [_of_validation(event)])
        elif isinstance(event, trainer.Note):
            self._jobs.note(self._job, self._holder, [JobEvent(f"note-{event.message}", event.message)])

    def fill(self, record: Mapping[str, Any]) -> None:
        """Tell what was lost: steps that the trainer told while nobody wrote them down.

        Its last checkpoint may stand behind them, so that it does not tell them again.

        Raises:
            LeaseLost: the job is another worker's.
            InvalidRequest: the training has diverged.
        """
        curves, total = record["curves"], int(record["steps"])
        right = {int(step): value for step, value in curves["accuracy"]}
        told = [
            _of_step(trainer.Step(int(step), total, loss, None, None, accuracy=right.get(int(step))))
            for step, loss in curves["loss"]
        ]
        validations = zip(curves["validation_loss"], curves["validation_accuracy"], strict=False)
        exact = {int(step): value for step, value in curves["validation_exact"]}
        for (step, loss), (_, accuracy) in validations:
            kept = int(step) == record["kept_step"]
            told.append(
                _of_validation(trainer.Validation(int(step), loss, accuracy, exact.get(int(step), 0.0), best=kept))
            )
        self._jobs.note(self._job, self._holder, told)


def _loss(event: trainer.Step | trainer.Validation) -> float:
    """Return the loss, which a trainer tells as a text where JSON has no number for it."""
    loss: object = event.loss
    if not isinstance(loss, int | float) or not math.isfinite(loss):
        raise InvalidRequest(
            f"The loss is {loss} at step {event.step}. Lower the learning rate.", code="training_diverged"
        )
    return loss


def _of_step(event: trainer.Step) -> JobEvent:
    loss = _loss(event)
    data = {
        "step": event.step,
        "total_steps": event.total,
        "train_loss": round(loss, 5),
        "train_mean_token_accuracy": event.accuracy,
        "learning_rate": event.rate,
        "seconds_left": event.seconds_left,
    }
    message = f"Step {event.step}/{event.total}: training loss={loss:.2f}"
    return JobEvent(f"step-{event.step}", message, type="metrics", data=data)


def _of_validation(event: trainer.Validation) -> JobEvent:
    message = (
        f"Step {event.step}: validation loss={_loss(event):.2f}, tokens={event.accuracy:.3f}, "
        f"whole answers={event.exact:.3f}{', the best so far' if event.best else ''}"
    )
    return JobEvent(f"checkpoint-{event.step}", message, type="checkpoint", data=asdict(event))
