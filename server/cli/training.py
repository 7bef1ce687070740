"""`repertory adapter train`: gives the order, shows how far it is, and hands on the version that comes out."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from adapters import AdapterVersion, Registry, TrainingConfig, TrainingOrder, train
from adapters.training.progress import Event, Note, Step, Validation
from core.clock import system_clock
from server.cli.adapter_versions import BY
from server.cli.session import Session
from server.served_base import base_of, limits_of


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person chose of a training."""

    config: TrainingConfig
    valid: Path | None
    threads: int | None


def train_version(session: Session, dataset: Path, name: str, choices: Choices) -> AdapterVersion:
    """Train on `dataset` and register the result as the next version of `name`.

    Raises:
        InvalidRequest: the data cannot be learnt; the message names the line.
        InternalError: the training broke off; the message names its log.
    """
    settings = session.settings()
    base = base_of(settings)
    order = TrainingOrder(
        data=dataset,
        base_dir=settings.base_model_dir,
        out=settings.data_dir / "training" / _run_name(dataset, name, choices),
        config=choices.config,
        valid=choices.valid,
        threads=choices.threads or len(os.sched_getaffinity(0)),
    )
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with session.database() as database, bar:
        task = bar.add_task("Loading the base model", total=None)
        return train(
            order,
            name,
            registry=Registry(database, settings.adapters_dir, system_clock),
            base=base,
            limits=limits_of(settings),
            on_event=lambda event: _show(event, bar, task),
            by=BY,
        )


def _run_name(dataset: Path, name: str, choices: Choices) -> str:
    """Name the folder of this very training: the same command finds it again and goes on there."""
    valid = choices.valid.read_bytes() if choices.valid else b""
    inputs = [hashlib.sha256(content).hexdigest() for content in (dataset.read_bytes(), valid)]
    return f"{name}-{choices.config.identity(*inputs)[:12]}"


def _show(event: Event, bar: Progress, task: TaskID) -> None:
    if isinstance(event, Step):
        bar.update(task, description=f"Training, loss {event.loss:.3f}", completed=event.step, total=event.total)
    elif isinstance(event, Validation):
        bar.console.print(f"After step {event.step}: validation loss {event.loss:.3f}")
    elif isinstance(event, Note):
        bar.console.print(event.message, markup=False)
