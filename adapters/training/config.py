"""What a training run is told, and the name under which it can be taken up again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MAX_LENGTH = 1024
"""Longest example in tokens, unless another is asked for: of a training, and of the check before it."""


class Precision(StrEnum):
    """Number format of the two passes; the weights that the optimizer moves are always fp32."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


class Method(StrEnum):
    """What is learnt from, in OpenAI's words."""

    SUPERVISED = "supervised"
    DPO = "dpo"


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Hyperparameters of one run.

    Attributes:
        rank: rank of the adapter.
        alpha: scale; the update is multiplied by `alpha / rank`, or by `alpha / sqrt(rank)` with `rslora`.
        rslora: rank-stabilised scale (Kalajdzievski, 2023).
        epochs: passes over the data.
        learning_rate: peak of the cosine.
        batch_size: examples in one step.
        max_length: longest example in tokens; a longer one is refused, never cut.
        seed: of the initial weights and the order of examples.
        precision: number format of the passes.
        method: whether answers are imitated or preferred.
        beta: how near to the base a preference must stay (Rafailov et al., 2023).
        patience: validations without a better one, after which the training ends; 0 never ends it early.
    """

    rank: int = 16
    alpha: int = 32
    rslora: bool = False
    epochs: float = 3
    learning_rate: float = 1e-3
    batch_size: int = 8
    max_length: int = MAX_LENGTH
    seed: int = 0
    precision: Precision = Precision.AUTO
    method: Method = Method.SUPERVISED
    beta: float = 0.1
    patience: int = 2

    def identity(self, *inputs: str) -> str:
        """Hash these hyperparameters and the hashes of what the run reads."""
        text = json.dumps({"config": asdict(self), "inputs": inputs}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def lora(self, base_name: str) -> dict[str, object]:
        """Return what PEFT's configuration of the adapter says, as far as it is chosen here."""
        return {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base_name,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "use_rslora": self.rslora,
            "target_modules": "all-linear",
            "bias": "none",
        }

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "TrainingConfig":
        """Return what `asdict` wrote as JSON."""
        kept = {**values, "precision": Precision(values["precision"]), "method": Method(values["method"])}
        return cls(**kept)
