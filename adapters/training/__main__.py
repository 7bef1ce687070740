"""`python -m adapters.training`: trains one adapter and tells of it on standard output, line by line."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from adapters.training.config import Method, Precision, TrainingConfig
from adapters.training.durable import alone_in
from adapters.training.preparation import RECORD, prepare
from adapters.training.progress import Failed, Finished, Note, Reporter
from core.errors import RepertoryError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one training; return the exit status."""
    options = parser().parse_args(arguments)
    reporter = Reporter(sys.stdout)
    sys.stdout = sys.stderr  # whatever a library prints must not fall among the events
    os.environ.update(
        HF_HUB_OFFLINE="1",
        TOKENIZERS_PARALLELISM="false",
        OMP_NUM_THREADS=str(options.threads),
        MKL_NUM_THREADS=str(options.threads),
    )
    try:
        with alone_in(options.out):
            _train(options, reporter)
    except RepertoryError as error:
        reporter.tell(Failed(error.code, error.message))
        return 1
    return 0


def _train(options: argparse.Namespace, reporter: Reporter) -> None:
    prepared = prepare(
        base=options.base, data=options.data, valid=options.valid, out=options.out, config=config_of(options)
    )
    if prepared.finished:
        record = json.loads((prepared.out / RECORD).read_text())
        reporter.tell(Note(f"{prepared.out.name!r} already holds this run, finished."))
        reporter.tell(Finished(record["steps"], record["seconds"], record["kept_step"], record["trained_tokens"]))
        return
    # Only now: torch takes seconds to load, and reads the variables set above when it does.
    from adapters.training.session import Machine, train_adapter

    machine = Machine(options.threads, options.save_every, options.engine)
    train_adapter(prepared, machine, reporter)


def config_of(options: argparse.Namespace) -> TrainingConfig:
    """Return the hyperparameters that a command line says."""
    return TrainingConfig(
        rank=options.rank,
        alpha=options.alpha,
        rslora=options.rslora,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        max_length=options.max_length,
        seed=options.seed,
        precision=Precision(options.precision),
        method=Method(options.method),
        beta=options.beta,
        patience=options.patience,
    )


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    usual = TrainingConfig()
    options = argparse.ArgumentParser(prog="python -m adapters.training", description="Train one LoRA adapter.")
    options.add_argument("--base", type=Path, required=True, help="folder of the base model")
    options.add_argument("--data", type=Path, required=True, help="training examples (JSONL)")
    options.add_argument("--valid", type=Path, help="validation examples; the best weights by them are kept")
    options.add_argument("--out", type=Path, required=True, help="folder for the adapter; reused, the run goes on")
    options.add_argument("--rank", type=_positive, default=usual.rank)
    options.add_argument("--alpha", type=_positive, default=usual.alpha)
    options.add_argument("--epochs", type=float, default=usual.epochs)
    options.add_argument("--learning-rate", type=float, default=usual.learning_rate)
    options.add_argument("--batch-size", type=_positive, default=usual.batch_size)
    options.add_argument("--max-length", type=_positive, default=usual.max_length, help="in tokens")
    options.add_argument("--rslora", action="store_true", help="scale by alpha / sqrt(rank)")
    options.add_argument(
        "--method", choices=[*Method], default=usual.method.value, help="imitate, or prefer (pairs)"
    )
    options.add_argument("--beta", type=float, default=usual.beta, help="of dpo")
    options.add_argument("--patience", type=int, default=usual.patience, help="validations without a better one")
    options.add_argument("--seed", type=int, default=usual.seed)
    options.add_argument("--precision", choices=[*Precision], default=usual.precision.value)
    options.add_argument("--threads", type=_positive, default=1, help="CPU threads")
    options.add_argument("--save-every", type=_positive, default=50, help="steps between checkpoints")
    options.add_argument("--engine", default="none", help="what the engine here does meanwhile; only recorded")
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number.")
    return value


if __name__ == "__main__":
    sys.exit(main())
