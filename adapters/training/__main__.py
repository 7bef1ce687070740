"""`python -m adapters.training`: trains one adapter and tells of it on standard output, line by line."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from adapters.training.config import Precision, TrainingConfig
from adapters.training.preparation import RECORD, prepare
from adapters.training.progress import Failed, Finished, Note, Reporter
from core.errors import RepertoryError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one training; return the exit status."""
    options = _parser().parse_args(arguments)
    reporter = Reporter(sys.stdout)
    sys.stdout = sys.stderr  # whatever a library prints must not fall among the events
    os.environ.update(
        HF_HUB_OFFLINE="1",
        TOKENIZERS_PARALLELISM="false",
        OMP_NUM_THREADS=str(options.threads),
        MKL_NUM_THREADS=str(options.threads),
    )
    try:
        _train(options, reporter)
    except RepertoryError as error:
        reporter.tell(Failed(error.code, error.message))
        return 1
    return 0


def _train(options: argparse.Namespace, reporter: Reporter) -> None:
    config = TrainingConfig(
        rank=options.rank,
        alpha=options.alpha,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        max_length=options.max_length,
        seed=options.seed,
        precision=Precision(options.precision),
    )
    prepared = prepare(base=options.base, data=options.data, valid=options.valid, out=options.out, config=config)
    if prepared.finished:
        record = json.loads((prepared.out / RECORD).read_text())
        reporter.tell(Note(f"{prepared.out.name!r} already holds this run, finished."))
        reporter.tell(Finished(record["steps"], record["seconds"]))
        return
    # Only now: torch takes seconds to load, and reads the variables set above when it does.
    from adapters.training.session import train_adapter

    train_adapter(prepared, threads=options.threads, reporter=reporter)


def _parser() -> argparse.ArgumentParser:
    usual = TrainingConfig()
    parser = argparse.ArgumentParser(prog="python -m adapters.training", description="Train one LoRA adapter.")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--data", type=Path, required=True, help="training examples (chat JSONL)")
    parser.add_argument("--valid", type=Path, help="validation examples; their loss is told after each epoch")
    parser.add_argument("--out", type=Path, required=True, help="folder for the adapter; reused, the run goes on")
    parser.add_argument("--rank", type=_positive, default=usual.rank)
    parser.add_argument("--alpha", type=_positive, default=usual.alpha)
    parser.add_argument("--epochs", type=float, default=usual.epochs)
    parser.add_argument("--learning-rate", type=float, default=usual.learning_rate)
    parser.add_argument("--batch-size", type=_positive, default=usual.batch_size)
    parser.add_argument("--max-length", type=_positive, default=usual.max_length, help="in tokens")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--precision", choices=[*Precision], default=usual.precision.value)
    parser.add_argument("--threads", type=_positive, default=1, help="CPU threads")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number.")
    return value


if __name__ == "__main__":
    sys.exit(main())
