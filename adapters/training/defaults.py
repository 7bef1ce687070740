"""Hyperparameters that nobody chose: by the size of the base and the number of examples.

Ranks and rates: docs/fine-tuning.md. Epochs: OpenAI's data preparation notebook (openai-cookbook,
`Chat_finetuning_data_prep`). Pure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.training.config import Method, Precision, TrainingConfig
from core.errors import InvalidRequest

_SMALL, _LARGE = 135e6, 1e9
_SMALL_RATE, _LARGE_RATE = 1e-3, 2e-4
_DPO_SHARE = 0.1
"""A preference is learnt with smaller steps than an answer: it starts from what is known already."""
_MOST_SEED = 2**32 - 1
"""What the libraries take."""
_MOST_EPOCHS = 1_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What was said of a training; None leaves it to the server.

    Attributes:
        rate_factor: OpenAI's `learning_rate_multiplier`; 1 is the rate that suits the base.
    """

    method: Method = Method.SUPERVISED
    rank: int | None = None
    alpha: int | None = None
    rslora: bool = False
    epochs: float | None = None
    learning_rate: float | None = None
    rate_factor: float | None = None
    batch_size: int | None = None
    max_length: int | None = None
    beta: float | None = None
    patience: int | None = None
    seed: int = 0
    precision: Precision = Precision.AUTO
    threads: int | None = None

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Wish":
        """Return what `asdict` wrote as JSON."""
        return cls(**{**values, "method": Method(values["method"]), "precision": Precision(values["precision"])})

    def check(self) -> None:
        """Refuse numbers that no training can go on, rather than to find out in the middle of one.

        Raises:
            InvalidRequest: one is out of its bounds; `param` names it.
        """
        if not 0 <= self.seed <= _MOST_SEED:
            raise _out_of_bounds("seed", self.seed, f"a whole number from 0 to {_MOST_SEED}")
        if self.epochs is not None and not 0 < self.epochs <= _MOST_EPOCHS:
            raise _out_of_bounds("epochs", self.epochs, f"a number above 0, up to {_MOST_EPOCHS}")
        for name in ("learning_rate", "rate_factor", "beta"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise _out_of_bounds(name, value, "a number above 0")

    def settled(self, *, examples: int, parameters: int, max_rank: int) -> TrainingConfig:
        """Choose what was left open.

        Args:
            examples: rows to learn from.
            parameters: of the base's linear layers.
            max_rank: highest rank that the engine serves.
        """
        usual = TrainingConfig()
        rank = self.rank or min(usual.rank, max_rank)
        return TrainingConfig(
            rank=rank,
            alpha=self.alpha or 2 * rank,
            rslora=self.rslora,
            epochs=usual_epochs(examples) if self.epochs is None else self.epochs,
            learning_rate=self._rate(parameters),
            batch_size=self.batch_size or usual_batch(examples),
            max_length=self.max_length or usual.max_length,
            seed=self.seed,
            precision=self.precision,
            method=self.method,
            beta=usual.beta if self.beta is None else self.beta,
            patience=usual.patience if self.patience is None else self.patience,
        )

    def _rate(self, parameters: int) -> float:
        if self.learning_rate is not None:
            return self.learning_rate
        rate = usual_rate(parameters) * (_DPO_SHARE if self.method is Method.DPO else 1)
        return round_rate(rate if self.rate_factor is None else rate * self.rate_factor)


def usual_epochs(examples: int) -> int:
    """Return 3, more for few examples and less for very many."""
    if examples * 3 < 100:
        return min(25, max(1, 100 // max(1, examples)))
    return max(1, 25_000 // examples) if examples * 3 > 25_000 else 3


def usual_batch(examples: int) -> int:
    """Return 8, less for few examples, so that an epoch is more than a step or two."""
    return max(1, min(8, examples // 5))


def usual_rate(parameters: int) -> float:
    """Return 1e-3 up to 135 million parameters, 2e-4 from a billion on, and between them by their logarithm."""
    share = (math.log(max(parameters, 1)) - math.log(_SMALL)) / (math.log(_LARGE) - math.log(_SMALL))
    share = min(1.0, max(0.0, share))
    return math.exp(math.log(_SMALL_RATE) * (1 - share) + math.log(_LARGE_RATE) * share)


def _out_of_bounds(name: str, value: object, wanted: str) -> InvalidRequest:
    told = name.replace("_", " ")
    return InvalidRequest(
        f"The {told} {value} cannot be trained with. Take {wanted}.", code="invalid_value", param=name
    )


def round_rate(rate: float) -> float:
    """Return a rate with three digits, so that it reads as one that a person chose."""
    return float(f"{rate:.3g}")
