"""Hyperparameters that nobody chose: by the size of the base and the number of examples.

Ranks and rates: docs/fine-tuning.md. Epochs: OpenAI's data preparation notebook (openai-cookbook,
`Chat_finetuning_data_prep`). Pure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.training.config import Method, Precision, TrainingConfig

_SMALL, _LARGE = 135e6, 1e9
_SMALL_RATE, _LARGE_RATE = 1e-3, 2e-4
_DPO_SHARE = 0.1
"""A preference is learnt with smaller steps than an answer: it starts from what is known already."""


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

    def settled(self, *, examples: int, parameters: int, max_rank: int) -> TrainingConfig:
        """Choose what was left open.

        Args:
            examples: rows to learn from.
            parameters: of the base's linear layers.
            max_rank: highest rank that the engine serves.
        """
        usual = TrainingConfig()
        rank = self.rank or min(usual.rank, max_rank)
        rate = usual_rate(parameters) * (_DPO_SHARE if self.method is Method.DPO else 1)
        return TrainingConfig(
            rank=rank,
            alpha=self.alpha or 2 * rank,
            rslora=self.rslora,
            epochs=self.epochs or usual_epochs(examples),
            learning_rate=self.learning_rate or round_rate(rate * (self.rate_factor or 1)),
            batch_size=self.batch_size or usual_batch(examples),
            max_length=self.max_length or usual.max_length,
            seed=self.seed,
            precision=self.precision,
            method=self.method,
            beta=self.beta or usual.beta,
            patience=usual.patience if self.patience is None else self.patience,
        )


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


def round_rate(rate: float) -> float:
    """Return a rate with three digits, so that it reads as one that a person chose."""
    return float(f"{rate:.3g}")
