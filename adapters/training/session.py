"""One training, from prepared data to an adapter folder: encode, train, save, record."""

import platform
import shutil
import time
from dataclasses import asdict
from importlib.metadata import version

import torch
from transformers import AutoTokenizer

from adapters.datasets.reading import Dataset
from adapters.training.durable import write_json
from adapters.training.encoding import EncodedExample, encode
from adapters.training.preparation import RECORD, Prepared
from adapters.training.progress import Finished, Note, Reporter
from adapters.training.saving import save_adapter
from adapters.training.trainer import Outcome, TrainingJob, quiet, run

_CHECKPOINTS = "checkpoints"
_LIBRARIES = ("torch", "transformers", "peft", "trl", "safetensors", "tokenizers")


def train_adapter(prepared: Prepared, *, threads: int, reporter: Reporter) -> None:
    """Train an adapter into the run's folder; a run that was broken off there goes on.

    Raises:
        RepertoryError: an example cannot be learnt; the message names its line.
    """
    quiet()
    torch.set_num_threads(threads)
    began = time.monotonic()
    base, out, config = prepared.base, prepared.out, prepared.config
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    encoded = encode(prepared.train.examples, tokenizer, prepared.template, config.max_length)
    held_out = prepared.valid.examples if prepared.valid else ()
    encoded_valid = encode(held_out, tokenizer, prepared.template, config.max_length)
    doubts = len(prepared.train.findings)
    reporter.tell(Note(f"{len(encoded)} examples, {_learnt(encoded)} tokens to learn, {doubts} warnings."))
    outcome = run(TrainingJob(base, out / _CHECKPOINTS, encoded, encoded_valid, config), tokenizer, reporter)
    name = base.resolve().name
    size = save_adapter(outcome.model, out, base_name=name)
    seconds = round(time.monotonic() - began, 1)
    record = {
        "base": {"name": name, "fingerprint": prepared.fingerprint},
        "template": {"sha256": prepared.template_hash},
        "data": _about(prepared.train, encoded),
        "validation": _about(prepared.valid, encoded_valid) if prepared.valid else None,
        "config": asdict(config),
        "curves": {"loss": outcome.losses, "validation_loss": outcome.validations},
        "steps": outcome.steps,
        "seconds": seconds,
        "weights_bytes": size,
        "hardware": _hardware(outcome, threads),
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }
    write_json(out / RECORD, record)
    shutil.rmtree(out / _CHECKPOINTS, ignore_errors=True)  # nothing is left to take up again
    reporter.tell(Finished(outcome.steps, seconds))


def _hardware(outcome: Outcome, threads: int) -> dict[str, object]:
    machine = platform.machine()
    return {"device": outcome.device, "dtype": outcome.dtype, "threads": threads, "machine": machine}


def _learnt(encoded: list[EncodedExample]) -> int:
    return sum(label >= 0 for example in encoded for label in example.labels)


def _about(dataset: Dataset, encoded: list[EncodedExample]) -> dict[str, object]:
    return {
        "name": dataset.name,
        "sha256": dataset.sha256,
        "examples": len(encoded),
        "tokens": sum(len(example.input_ids) for example in encoded),
        "learnt_tokens": _learnt(encoded),
        "longest": max(len(example.input_ids) for example in encoded),
        "warnings": sorted({found.code for found in dataset.findings}),
    }
