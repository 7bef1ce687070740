"""What a training run is told, and the name under which it can be taken up again."""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Precision(StrEnum):
    """Number format of the two passes; the weights that the optimizer moves are always fp32."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Hyperparameters of one run.

    Attributes:
        rank: rank of the adapter.
        alpha: scale; the update is multiplied by `alpha / rank`.
        epochs: passes over the data.
        learning_rate: peak of the cosine; 1e-3 suits 135M parameters, 2e-4 a billion and more.
        batch_size: examples in one step.
        max_length: longest example in tokens; a longer one is refused, never cut.
        seed: of the initial weights and the order of examples.
        precision: number format of the passes.
    """

    rank: int = 8
    alpha: int = 16
    epochs: float = 3
    learning_rate: float = 1e-3
    batch_size: int = 8
    max_length: int = 512
    seed: int = 0
    precision: Precision = Precision.AUTO

    def identity(self, *inputs: str) -> str:
        """Hash these hyperparameters and the hashes of what the run reads."""
        text = json.dumps({"config": asdict(self), "inputs": inputs}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
