"""Jobs, events and checkpoints as OpenAI's objects. Pure."""

from collections.abc import Callable, Mapping

from adapters.jobs.job import Job, Status, ToldEvent
from adapters.training.config import Method
from core.paging import Item, Page

_ORGANIZATION = "repertory"


def job_shown(job: Job) -> dict[str, object]:
    """Return OpenAI's fine-tuning job."""
    method, chosen = job.new.wish.method, _hyperparameters(job)
    whole = {**chosen, "beta": _beta(job)} if method is Method.DPO else chosen
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": int(job.created_at),
        "error": None
        if job.error is None
        else {"code": job.error.code, "message": job.error.message, "param": job.error.param},
        "estimated_finish": None if job.estimated_finish is None else int(job.estimated_finish),
        "fine_tuned_model": job.model_name if job.status is Status.SUCCEEDED else None,
        "finished_at": None if job.finished_at is None else int(job.finished_at),
        "hyperparameters": chosen,
        "integrations": [],
        "metadata": dict(job.new.labels),
        "method": {"type": method.value, method.value: {"hyperparameters": whole}},
        "model": job.new.model,
        "organization_id": _ORGANIZATION,
        "result_files": list(job.result_files),
        "seed": job.new.wish.seed,
        "status": job.status.value,
        "trained_tokens": job.trained_tokens if job.status is Status.SUCCEEDED else None,
        "training_file": job.new.training_file,
        "validation_file": job.new.validation_file,
    }


def event_shown(told: ToldEvent) -> dict[str, object]:
    """Return OpenAI's event."""
    return {
        "id": told.id,
        "object": "fine_tuning.job.event",
        "created_at": int(told.created_at),
        "level": told.event.level,
        "message": told.event.message,
        "type": told.event.type,
        "data": dict(told.event.data),
    }


def checkpoint_shown(job: Job, kept_step: object) -> Callable[[ToldEvent], dict[str, object]]:
    """Return what makes OpenAI's checkpoint: a validation.

    Of a job's weights those of `kept_step` are kept, and they are its model. The others get a name as OpenAI gives
    one, which no model answers to.
    """
    name = job.new.persona or job.new.adapter

    def shown(told: ToldEvent) -> dict[str, object]:
        data = told.event.data
        kept = job.model_name if data["step"] == kept_step else None
        return {
            "id": told.id,
            "object": "fine_tuning.job.checkpoint",
            "created_at": int(told.created_at),
            "fine_tuned_model_checkpoint": kept or f"{name}:ckpt-step-{data['step']}",
            "fine_tuning_job_id": job.id,
            "step_number": data["step"],
            "metrics": {
                "step": data["step"],
                "full_valid_loss": data["loss"],
                "full_valid_mean_token_accuracy": data["accuracy"],
                "valid_loss": data["loss"],
                "valid_mean_token_accuracy": data["accuracy"],
            },
        }

    return shown


def listed(page: Page[Item], shown: Callable[[Item], dict[str, object]]) -> dict[str, object]:
    """Return OpenAI's list of this feature, which has no first and last id but for checkpoints."""
    data = [shown(item) for item in page.items]
    return {"object": "list", "data": data, "has_more": page.more}


def _hyperparameters(job: Job) -> Mapping[str, object]:
    wish, config = job.new.wish, job.config
    if config is None:
        epochs = "auto" if wish.epochs is None else int(wish.epochs)
        return {
            "batch_size": wish.batch_size or "auto",
            "learning_rate_multiplier": wish.rate_factor or "auto",
            "n_epochs": epochs,
        }
    factor = 1.0 if wish.rate_factor is None else wish.rate_factor
    return {
        "batch_size": config.batch_size,
        "learning_rate_multiplier": factor,
        "n_epochs": max(1, round(config.epochs)),
    }


def _beta(job: Job) -> object:
    return job.new.wish.beta or "auto" if job.config is None else job.config.beta
