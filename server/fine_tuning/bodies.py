"""What asks for a fine-tuning job, with OpenAI's names and bounds. Knows no database."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from adapters.training.config import Method
from adapters.training.defaults import Wish
from server.vector_stores.bodies import FileId, Metadata
from server.wire import complaint

Auto = Literal["auto"]
Suffix = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_MOST_SEED = 2_147_483_647


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hyperparameters(_Body):
    """What may be chosen of a training; `auto` leaves it to the server."""

    n_epochs: Auto | Annotated[int, Field(ge=1, le=50)] = "auto"
    batch_size: Auto | Annotated[int, Field(ge=1, le=256)] = "auto"
    learning_rate_multiplier: Auto | Annotated[float, Field(gt=0, le=100)] = "auto"


class PreferenceHyperparameters(Hyperparameters):
    """What may be chosen of a training on pairs."""

    beta: Auto | Annotated[float, Field(gt=0, le=2)] = "auto"


class Supervised(_Body):
    """Learn from answers."""

    hyperparameters: Hyperparameters | None = None


class Preference(_Body):
    """Learn from pairs of answers."""

    hyperparameters: PreferenceHyperparameters | None = None


class MethodBody(_Body):
    """How to learn."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: Supervised | None = None
    dpo: Preference | None = None
    reinforcement: object = None

    @model_validator(mode="after")
    def _known(self) -> "MethodBody":
        if self.type == "reinforcement" or self.reinforcement is not None:
            raise complaint(
                "unsupported_value",
                "This server does not train by reinforcement. Use 'supervised' with answers, or 'dpo' with pairs.",
                field="type",
            )
        other = "dpo" if self.type == "supervised" else "supervised"
        if getattr(self, other) is not None:
            raise complaint("invalid_value", f"The method is {self.type!r}. Leave {other!r} out.", field=other)
        return self


class JobBody(_Body):
    """A fine-tuning job."""

    model: str = Field(min_length=1, max_length=128)
    training_file: FileId
    validation_file: FileId | None = None
    suffix: Suffix | None = None
    seed: int | None = Field(None, ge=0, le=_MOST_SEED)
    method: MethodBody | None = None
    hyperparameters: Hyperparameters | None = None
    metadata: Metadata | None = None
    integrations: object = None

    @model_validator(mode="after")
    def _supported(self) -> "JobBody":
        if self.integrations not in (None, []):
            raise complaint(
                "unsupported_parameter",
                "This server reports to no other service. Leave 'integrations' out; the events have all figures.",
                field="integrations",
            )
        if self.hyperparameters is not None and self.method is not None:
            raise complaint(
                "invalid_value",
                "'hyperparameters' stands in 'method' now. Leave the outer one out.",
                field="hyperparameters",
            )
        return self

    def wish(self, seed: int) -> Wish:
        """Return what is wished for; `seed` where the body says none.

        Raises:
            InvalidRequest: a number is out of the bounds of a training.
        """
        method = Method(self.method.type) if self.method else Method.SUPERVISED
        chosen = self.chosen()
        beta = chosen.beta if isinstance(chosen, PreferenceHyperparameters) else "auto"
        wish = Wish(
            method=method,
            epochs=_said(chosen.n_epochs),
            rate_factor=_said(chosen.learning_rate_multiplier),
            batch_size=_whole(chosen.batch_size),
            beta=_said(beta),
            seed=seed if self.seed is None else self.seed,
        )
        wish.check()
        return wish

    def chosen(self) -> Hyperparameters:
        """Return the hyperparameters, wherever they stand."""
        part = (self.method.dpo or self.method.supervised) if self.method else None
        said = self.hyperparameters if part is None else part.hyperparameters
        return said or Hyperparameters()


def _said(value: Auto | float) -> float | None:
    return None if value == "auto" else float(value)


def _whole(value: Auto | int) -> int | None:
    return None if value == "auto" else int(value)
