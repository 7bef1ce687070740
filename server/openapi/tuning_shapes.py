"""Answers about fine-tuning jobs, as OpenAI's clients expect them."""

from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from server.openapi.shape import Shape

_Auto = Literal["auto"]


class Hyperparameters(Shape):
    """What was chosen, by the caller or by the server."""

    batch_size: int | _Auto
    learning_rate_multiplier: float | _Auto
    n_epochs: int | _Auto


class PreferenceHyperparameters(Hyperparameters):
    """What was chosen of a training on pairs."""

    beta: float | _Auto


class SupervisedMethod(Shape):
    """Learns from answers."""

    hyperparameters: Hyperparameters


class PreferenceMethod(Shape):
    """Learns from pairs of answers."""

    hyperparameters: PreferenceHyperparameters


class SupervisedChosen(Shape):
    """The method that learns from answers."""

    type: Literal["supervised"]
    supervised: SupervisedMethod


class PreferenceChosen(Shape):
    """The method that learns from pairs."""

    type: Literal["dpo"]
    dpo: PreferenceMethod


class JobError(Shape):
    """Why a job failed."""

    code: str
    message: str
    param: str | None


class FineTuningJob(Shape):
    """A fine-tuning job."""

    id: str
    object: Literal["fine_tuning.job"]
    created_at: int
    error: JobError | None
    estimated_finish: int | None
    fine_tuned_model: str | None
    finished_at: int | None
    hyperparameters: Hyperparameters
    integrations: list[str]
    metadata: dict[str, str]
    method: SupervisedChosen | PreferenceChosen
    model: str
    organization_id: str
    result_files: list[str]
    seed: int
    status: Literal["validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"]
    trained_tokens: int | None
    training_file: str
    validation_file: str | None


class FineTuningJobList(Shape):
    """The caller's jobs."""

    object: Literal["list"]
    data: list[FineTuningJob]
    has_more: bool


class FineTuningEvent(Shape):
    """Something that happened to a job."""

    id: str
    object: Literal["fine_tuning.job.event"]
    created_at: int
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: Mapping[str, JsonValue]


class FineTuningEventList(Shape):
    """What happened to a job."""

    object: Literal["list"]
    data: list[FineTuningEvent]
    has_more: bool


class CheckpointMetrics(Shape):
    """What the validation examples said."""

    step: int
    full_valid_loss: float
    full_valid_mean_token_accuracy: float
    valid_loss: float
    valid_mean_token_accuracy: float


class FineTuningCheckpoint(Shape):
    """One validation of a job."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"]
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    step_number: int
    metrics: CheckpointMetrics


class FineTuningCheckpointList(Shape):
    """The validations of a job."""

    object: Literal["list"]
    data: list[FineTuningCheckpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool
