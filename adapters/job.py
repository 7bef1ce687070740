"""Runs a training in a process of its own and registers what comes out of it."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from adapters.training.config import TrainingConfig
from adapters.training.progress import Event, Failed, parse_event
from adapters.version import AdapterVersion, check_name
from core import guardian
from core.errors import InternalError, InvalidRequest

_ROOT = Path(__file__).resolve().parent.parent
_NICENESS = 10


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """What is to be trained.

    Attributes:
        data: training examples, chat JSONL.
        base_dir: folder of the base model.
        out: folder of the run; where it holds a broken-off run of the same kind, that run goes on.
        config: hyperparameters.
        valid: validation examples, if any.
        threads: CPU threads.
    """

    data: Path
    base_dir: Path
    out: Path
    config: TrainingConfig = field(default_factory=TrainingConfig)
    valid: Path | None = None
    threads: int = 1

    def command(self) -> list[str]:
        """Return the command line of the training process."""
        config = self.config
        options: dict[str, object] = {
            "base": self.base_dir.resolve(),
            "data": self.data.resolve(),
            "out": self.out.resolve(),
            "rank": config.rank,
            "alpha": config.alpha,
            "epochs": config.epochs,
            "learning-rate": config.learning_rate,
            "batch-size": config.batch_size,
            "max-length": config.max_length,
            "seed": config.seed,
            "precision": config.precision.value,
            "threads": self.threads,
        }
        if self.valid is not None:
            options["valid"] = self.valid.resolve()
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        return [sys.executable, "-m", "adapters.training", *words]


def run_training(order: TrainingOrder, on_event: Callable[[Event], None]) -> None:
    """Train into `order.out` and pass on what the process tells; it ends with this process, whatever happens.

    Raises:
        InvalidRequest: the data or the base cannot be used; the message names the line.
        InternalError: the process broke off; the message names its log.
    """
    order.out.mkdir(parents=True, exist_ok=True)
    log = order.out.with_name(f"{order.out.name}.log")
    command = ["nice", "-n", str(_NICENESS), *guardian.command(os.getpid(), order.command())]
    failed: Failed | None = None
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                event = parse_event(line)
                if isinstance(event, Failed):
                    failed = event
                if event is not None:
                    on_event(event)
        finally:
            if process.poll() is None:
                process.terminate()
    if failed is not None:
        raise InvalidRequest(failed.message, code=failed.code)
    if process.returncode != 0:
        raise InternalError(
            f"The training broke off with status {process.returncode}. Read {str(log)!r}; started again, it "
            "goes "
            "on where it was.",
            code="training_failed",
        )


def train(
    order: TrainingOrder,
    name: str,
    *,
    registry: Registry,
    base: BaseModel,
    limits: ImportLimits,
    on_event: Callable[[Event], None],
    by: str = "train",
) -> AdapterVersion:
    """Train an adapter and register it as the next version of `name`, in the state `trained`.

    Raises:
        InvalidRequest: the name, the data or the result cannot be used.
        InternalError: the process broke off.
    """
    check_name(name)
    if order.config.rank > limits.max_rank:
        raise InvalidRequest(
            f"Rank {order.config.rank} is over the {limits.max_rank} that the engine is started for. Train "
            "with a "
            "lower rank, or raise the setting max_lora_rank.",
            code="rank_too_high",
            param="rank",
        )
    run_training(order, on_event)
    parent = registry.production(name)
    return registry.import_folder(
        order.out,
        name,
        base=base,
        limits=limits,
        by=by,
        parent=None if parent is None else parent.version,
    )
