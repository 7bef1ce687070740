"""What can be known of a run before any heavy library is loaded: sound data, the base, and a free folder."""

import json
from dataclasses import dataclass
from pathlib import Path

from adapters.datasets.reading import Dataset, Format, read_dataset
from adapters.fingerprint import base_fingerprint
from adapters.template import template_of
from adapters.training.config import Method, TrainingConfig
from adapters.training.durable import write_json
from core.errors import Conflict, InvalidRequest

RECORD = "run.json"
_IDENTITY = "started.json"
FORMATS = {Method.SUPERVISED: Format.CHAT, Method.DPO: Format.PREFERENCE}
"""What each method learns from."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that may start.

    Attributes:
        base: folder of the base model.
        fingerprint: its fingerprint.
        template: the marked chat template to train with.
        template_hash: hash of its serving twin.
        train: training examples.
        valid: validation examples, if any.
        out: folder of the run.
        config: hyperparameters.
        finished: whether the folder holds this very run, done.
    """

    base: Path
    fingerprint: str
    template: str
    template_hash: str
    train: Dataset
    valid: Dataset | None
    out: Path
    config: TrainingConfig
    finished: bool


def prepare(*, base: Path, data: Path, valid: Path | None, out: Path, config: TrainingConfig) -> Prepared:
    """Check everything that a run reads, and take its folder.

    Raises:
        RepertoryError: the data, the base or the folder cannot be used; the message says why.
    """
    train_set = read_dataset(data)
    valid_set = read_dataset(valid) if valid is not None else None
    for dataset in (train_set, valid_set):
        if dataset is not None and dataset.format is not FORMATS[config.method]:
            raise InvalidRequest(wrong_format(dataset.name, dataset.format, config.method), code="wrong_format")
    template = template_of(base)
    if template.training is None:
        raise InvalidRequest(
            "The base's chat template has no {% generation %} marks, so that it is unknown what the assistant "
            "says. Put a marked chat_template.jinja into the base's folder.",
            code="template_without_marks",
        )
    fingerprint = base_fingerprint(base)
    inputs = (train_set.sha256, valid_set.sha256 if valid_set else "", fingerprint, template.hash)
    finished = _claim(out, config.identity(*inputs))
    return Prepared(
        base, fingerprint, template.training, template.hash, train_set, valid_set, out, config, finished
    )


def wrong_format(name: str, found: Format, method: Method) -> str:
    """Say that a method cannot learn from such rows."""
    other = next(one for one in Method if FORMATS[one] is found)
    return (
        f"{name!r} has {found.value} rows, and the method {method.value!r} learns from {FORMATS[method].value} "
        f"rows. Take another file, or the method {other.value!r}."
    )


def _claim(out: Path, identity: str) -> bool:
    """Take `out` for the run `identity`; tell whether that run is finished there.

    Raises:
        Conflict: the folder holds something else.
    """
    out.mkdir(parents=True, exist_ok=True)
    marker = out / _IDENTITY
    if not marker.is_file():
        if any(out.iterdir()):
            raise Conflict(
                f"The folder {str(out)!r} is not empty. Name a new one for this run.", code="out_not_empty"
            )
        write_json(marker, {"identity": identity})
        return False
    if json.loads(marker.read_text()).get("identity") != identity:
        raise Conflict(
            f"The folder {str(out)!r} holds a run with other data, base or settings. Name a new folder.",
            code="out_holds_another_run",
        )
    return (out / RECORD).is_file()
