"""Runs a training in a process of its own. Knows its command line and its events; must never import torch."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from adapters.training.config import TrainingConfig
from adapters.training.progress import Event, Failed, parse_event
from core import guardian
from core.errors import Conflict, InternalError, InvalidRequest

_ROOT = Path(__file__).resolve().parents[2]
TRAINER = (sys.executable, "-m", "adapters.training")
_NICENESS = 5
LOWERED = "lowered"
"""Word for an engine that gives way to a training; without it a training gives way to the engine."""
_LOOK_SECONDS = 0.5
BROKE_OFF = "training_failed"
"""Code of a training that ended without saying why."""


class TrainingHalted(Conflict):
    """Somebody asked for the training to be stopped; it can be taken up again."""

    code = "training_halted"


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """What is to be trained.

    Attributes:
        data: training examples.
        base_dir: folder of the base model.
        out: folder of the run; where it holds a broken-off run of the same kind, that run goes on.
        config: hyperparameters.
        valid: validation examples, if any.
        threads: CPU threads.
        save_every: steps between checkpoints, from which a broken-off run goes on.
        engine: what the engine of this machine does meanwhile; stands beside the times in the record, and
            `LOWERED` gives the training the priority of other programs.
        program: what is run, before its options: the trainer here, or something that runs it elsewhere.
    """

    data: Path
    base_dir: Path
    out: Path
    config: TrainingConfig = field(default_factory=TrainingConfig)
    valid: Path | None = None
    threads: int = 1
    save_every: int = 50
    engine: str = "none"
    program: tuple[str, ...] = TRAINER

    def command(self) -> list[str]:
        """Return the command line of the training process."""
        config = self.config
        options: dict[str, object] = {
            "base": self.base_dir.resolve(),
            "data": self.data.resolve(),
            "out": self.out.resolve(),
            "method": config.method.value,
            "rank": config.rank,
            "alpha": config.alpha,
            "epochs": config.epochs,
            "learning-rate": config.learning_rate,
            "batch-size": config.batch_size,
            "max-length": config.max_length,
            "beta": config.beta,
            "patience": config.patience,
            "seed": config.seed,
            "precision": config.precision.value,
            "threads": self.threads,
            "save-every": self.save_every,
            "engine": self.engine,
        }
        if self.valid is not None:
            options["valid"] = self.valid.resolve()
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        return [*self.program, *words, *(["--rslora"] if config.rslora else [])]


def run_training(
    order: TrainingOrder, on_event: Callable[[Event], None], halted: Callable[[], bool] = lambda: False
) -> None:
    """Train into `order.out` and pass on what the process tells; it ends with this process, whatever happens.

    Args:
        order: what to train.
        on_event: told each event.
        halted: asked now and then, in a thread of its own; once it says yes, the training is stopped.

    Raises:
        InvalidRequest: the data or the base cannot be used; the message names the line.
        TrainingHalted: `halted` said yes.
        InternalError: the process broke off; the message names its log.
    """
    order.out.mkdir(parents=True, exist_ok=True)
    log = order.out.with_name(f"{order.out.name}.log")
    niceness = 0 if order.engine == LOWERED else _NICENESS
    command = guardian.command(os.getpid(), order.command(), niceness=niceness)
    failed: Failed | None = None
    over, stopped = threading.Event(), threading.Event()
    with (
        log.open("a", encoding="utf-8") as errors,
        subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):

        def look() -> None:
            while not over.wait(_LOOK_SECONDS):
                if halted():
                    stopped.set()
                    process.terminate()
                    return

        watching = threading.Thread(target=look, daemon=True)
        watching.start()
        try:
            for line in process.stdout or ():
                event = parse_event(line)
                if isinstance(event, Failed):
                    failed = event
                if event is not None:
                    on_event(event)
        finally:
            over.set()
            watching.join()
            if process.poll() is None:
                process.terminate()
    if failed is not None:
        raise InvalidRequest(failed.message, code=failed.code)
    if process.returncode != 0 and stopped.is_set():
        raise TrainingHalted("The training was stopped. Started again, it goes on where it was.")
    if process.returncode != 0:
        raise InternalError(
            f"The training broke off with status {process.returncode}. Read {str(log)!r}; started again, it goes "
            "on where it was.",
            code=BROKE_OFF,
        )
