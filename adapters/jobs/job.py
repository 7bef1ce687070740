"""A fine-tuning job: what was asked for, the steps that it goes through, and how far it is. Knows no database."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from adapters.training.config import TrainingConfig
from adapters.training.defaults import Wish

PREFIX = "ftjob"


class Status(StrEnum):
    """OpenAI's word for how far a job is."""

    VALIDATING = "validating_files"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing follows it."""
        return self in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


class Step(StrEnum):
    """What is done, in this order."""

    VALIDATE = "validate"
    TRAIN = "train"
    NUMBER = "number"
    """The adapter becomes a version: the engine serves, and so an evaluation asks, only what has a number."""
    EVALUATE = "evaluate"
    GATE = "gate"
    REGISTER = "register"


class Asked(StrEnum):
    """What somebody wants of a job that runs."""

    CANCEL = "cancel"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is asked for.

    Attributes:
        principal: whose job it is.
        model: the word of whoever asked: a persona's or the base's.
        persona: the persona that the adapter is for, if any.
        adapter: name of the adapter; the next version is made.
        training_file: what the caller calls the examples.
        validation_file: what the caller calls those that it is measured on.
        wish: hyperparameters as far as they were said.
        labels: the caller's own words.
    """

    principal: str
    model: str
    adapter: str
    training_file: str
    validation_file: str | None = None
    persona: str | None = None
    suffix: str | None = None
    wish: Wish = field(default_factory=Wish)
    labels: Mapping[str, str] = field(default_factory=dict)

    def digest(self, *contents: str) -> str:
        """Hash what is asked for, and the hashes of the files."""
        asked = [self.principal, self.model, self.adapter, asdict(self.wish), *contents]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed, in OpenAI's three words."""

    code: str
    message: str
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands.

    Attributes:
        asked: what somebody wants of it that has not happened yet.
        config: hyperparameters, once they are settled.
        version: number of the version that came out.
        trained_tokens: tokens that went through the model, over all epochs.
        result_files: ids of the files with the curves, as a table and as a page.
        estimated_finish: when the training is expected to end; seconds since the epoch, as are the other times.
    """

    id: str
    new: NewJob
    digest: str
    status: Status
    asked: Asked | None
    config: TrainingConfig | None
    version: int | None
    trained_tokens: int | None
    result_files: tuple[str, ...]
    error: Failure | None
    estimated_finish: float | None
    created_at: float
    finished_at: float | None

    @property
    def model_name(self) -> str | None:
        """The model name that answers with what came out, once there is something."""
        return None if self.version is None else f"{self.new.persona or self.new.adapter}@{self.version}"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a job.

    Attributes:
        attempts: how often it was begun.
        outcome: what it left behind for the steps after it.
    """

    step: Step
    attempts: int
    begun_at: float
    ended_at: float | None
    outcome: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened, told once: an event of the same key is not told again after a resumption."""

    key: str
    message: str
    level: str = "info"
    type: str = "message"
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """An event with its id and time."""

    id: str
    event: JobEvent
    created_at: float
