"""One training, from prepared data to an adapter folder: encode, train, save, record."""

import platform
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from adapters.datasets.reading import Dataset
from adapters.training.config import Method
from adapters.training.durable import write_json
from adapters.training.encoding import EncodedExample, EncodedPair, encode, encode_pairs
from adapters.training.preparation import RECORD, Prepared
from adapters.training.progress import Finished, Note, Reporter
from adapters.training.saving import CONFIG, WEIGHTS, save_adapter
from adapters.training.trainer import Encoded, History, Outcome, TrainingJob, quiet, run

_CHECKPOINTS, _BEST = "checkpoints", "best"
_LIBRARIES = ("torch", "transformers", "peft", "trl", "safetensors", "tokenizers")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run has of the machine.

    Attributes:
        save_every: steps between checkpoints.
        engine: what the engine does meanwhile.
    """

    threads: int
    save_every: int
    engine: str


def train_adapter(prepared: Prepared, machine: Machine, reporter: Reporter) -> None:
    """Train an adapter into the run's folder; a run that was broken off there goes on.

    Raises:
        RepertoryError: an example cannot be learnt; the message names its line.
    """
    quiet()
    torch.set_num_threads(machine.threads)
    began = time.monotonic()
    base, out, config = prepared.base, prepared.out, prepared.config
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    encoded = _encoded(prepared, prepared.train, tokenizer)
    encoded_valid = _encoded(prepared, prepared.valid, tokenizer) if prepared.valid else []
    doubts = len(prepared.train.findings)
    reporter.tell(Note(f"{len(encoded)} examples, {_learnt(encoded)} tokens to learn, {doubts} warnings."))
    job = TrainingJob(
        base, out / _CHECKPOINTS, out / _BEST, encoded, encoded_valid, config, save_every=machine.save_every
    )
    outcome = run(job, tokenizer, reporter)
    name = base.resolve().name
    if job.valid:
        for file in (CONFIG, WEIGHTS):
            shutil.copyfile(job.best / file, out / file)
    else:
        save_adapter(outcome.model, out, base_name=name)
    seconds = round(time.monotonic() - began, 1)
    tokens = round(_tokens(encoded) * outcome.steps / job.steps_per_epoch)
    record = {
        "base": {"name": name, "fingerprint": prepared.fingerprint},
        "template": {"sha256": prepared.template_hash},
        "data": _about(prepared.train, encoded),
        "validation": _about(prepared.valid, encoded_valid) if prepared.valid else None,
        "config": asdict(config),
        "curves": _curves(outcome.history),
        "steps": outcome.steps,
        "kept_step": outcome.kept,
        "trained_tokens": tokens,
        "seconds": seconds,
        "weights_bytes": (out / WEIGHTS).stat().st_size,
        "hardware": _hardware(outcome, machine.engine),
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }
    write_json(out / RECORD, record)
    for folder in (job.checkpoints, job.best):  # nothing is left to take up again
        shutil.rmtree(folder, ignore_errors=True)
    reporter.tell(Finished(outcome.steps, seconds, outcome.kept, tokens))


def _encoded(prepared: Prepared, dataset: Dataset, tokenizer: PreTrainedTokenizerBase) -> Encoded:
    how = encode_pairs if prepared.config.method is Method.DPO else encode
    return how(dataset.examples, tokenizer, prepared.template, prepared.config.max_length)


def _curves(history: History) -> dict[str, list[tuple[int, float]]]:
    names = {
        "loss": "loss",
        "accuracy": "mean_token_accuracy",
        "validation_loss": "eval_loss",
        "validation_accuracy": "eval_accuracy",
        "validation_exact": "eval_exact",
    }
    return {
        name: [(int(one["step"]), round(float(one[key]), 5)) for one in history if key in one]
        for name, key in names.items()
    }


def _hardware(outcome: Outcome, engine: str) -> dict[str, object]:
    return {
        "device": outcome.device,
        "dtype": outcome.dtype,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "engine": engine,
    }


def _sides(encoded: Encoded) -> Iterator[EncodedExample]:
    for one in encoded:
        yield from (one.chosen, one.rejected) if isinstance(one, EncodedPair) else (one,)


def _tokens(encoded: Encoded) -> int:
    return sum(len(side.input_ids) for side in _sides(encoded))


def _learnt(encoded: Encoded) -> int:
    return sum(label >= 0 for side in _sides(encoded) for label in side.labels)


def _about(dataset: Dataset, encoded: Encoded) -> dict[str, object]:
    return {
        "name": dataset.name,
        "sha256": dataset.sha256,
        "examples": len(encoded),
        "tokens": _tokens(encoded),
        "learnt_tokens": _learnt(encoded),
        "longest": max(len(side.input_ids) for side in _sides(encoded)),
        "warnings": sorted({found.code for found in dataset.findings}),
    }
