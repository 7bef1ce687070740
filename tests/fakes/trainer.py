"""A trainer without torch, with the real one's options, events and files: `python -m tests.fakes.trainer`.

What it follows: the options of `adapters/training/__main__.py`, the folder of `adapters/training/preparation.py`,
the events of `adapters/training/progress.py`, and checkpoints from which a broken-off run goes on
(docs/fine-tuning.md, "The trainer"). Its weights come of a chain of hashes over the steps: a step that is left out
or done twice changes them, and every later loss. The seed changes the weights alone.
"""

import hashlib
import json
import math
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from adapters.training.__main__ import config_of, parser
from adapters.training.durable import alone_in, write_json
from adapters.training.preparation import RECORD, Prepared, prepare
from adapters.training.progress import Failed, Finished, Note, Reporter, Step, Validation
from core.errors import RepertoryError
from tests.adapters.tiny import adapter_config, adapter_tensors, make_adapter

STEPS = 8
WAITS_AFTER = 6
VALIDATED = (4, 8)
_CHECKPOINT = "checkpoint.json"
_PAUSE = "FAKE_TRAINER_SECONDS"
_SAVES = "FAKE_TRAINER_SAVES_EVERY"
"""Steps between checkpoints, in place of those that it is told."""
_WAITS = "FAKE_TRAINER_WAITS_FOR"
"""A file without which it does not go beyond its sixth step."""
_DIES_AT = "FAKE_TRAINER_DIES_AT"
"""Step at which it ends without a word, once for a folder."""

_DIVERGES_AT = "FAKE_TRAINER_DIVERGES_AT"
"""Step from which the loss is no number; it goes on, as the real one does."""


def main() -> int:
    """Run one training."""
    options = parser().parse_args()
    config = config_of(options)
    reporter = Reporter(sys.stdout)
    try:
        with alone_in(options.out):
            prepared = prepare(
                base=options.base, data=options.data, valid=options.valid, out=options.out, config=config
            )
            save_every = int(os.environ.get(_SAVES, options.save_every))
            _train(prepared, reporter, save_every, options.engine)
    except RepertoryError as error:
        reporter.tell(Failed(error.code, error.message))
        return 1
    return 0


def _train(prepared: Prepared, reporter: Reporter, save_every: int, engine: str) -> None:
    out = prepared.out
    if prepared.finished:
        reporter.tell(Finished(STEPS, 1.0, STEPS, 100))
        return
    checkpoint = out / _CHECKPOINT
    state: dict[str, Any] = {"step": 0, "chain": "", "losses": []}
    if checkpoint.is_file():
        state = json.loads(checkpoint.read_text())
    if state["step"]:
        reporter.tell(Note(f"Going on from checkpoint-{state['step']}."))
    for step in range(state["step"] + 1, STEPS + 1):
        time.sleep(float(os.environ.get(_PAUSE, "0")))
        while step > WAITS_AFTER and _WAITS in os.environ and not Path(os.environ[_WAITS]).exists():
            time.sleep(0.05)
        _die_once(out, step)
        digest, loss = _next(str(state["chain"]), step, prepared.train.sha256)
        loss = math.nan if step >= int(os.environ.get(_DIVERGES_AT, STEPS + 1)) else loss
        state = {"step": step, "chain": digest, "losses": [*state["losses"], [step, loss]]}
        reporter.tell(Step(step, STEPS, loss, 1e-3, float(STEPS - step), None, 1 - loss))
        if prepared.valid is not None and step in VALIDATED:
            reporter.tell(Validation(step, loss, 1 - loss, 1 - loss, best=True))
        if step % save_every == 0:
            write_json(checkpoint, state)
    seed = int(str(state["chain"])[:8], 16) + prepared.config.seed
    folder = out / "adapter"
    make_adapter(folder, config=adapter_config(), tensors=adapter_tensors(seed % np.iinfo(np.int32).max))
    for file in sorted(folder.iterdir()):
        file.replace(out / file.name)
    folder.rmdir()
    write_json(out / RECORD, _record(prepared, state["losses"], engine))
    checkpoint.unlink(missing_ok=True)
    reporter.tell(Finished(STEPS, 1.0, STEPS, 100))


def losses(sha256: str) -> list[float]:
    """Return the losses of a training on data with this hash that nobody interrupts."""
    chain, found = "", []
    for step in range(1, STEPS + 1):
        chain, loss = _next(chain, step, sha256)
        found.append(loss)
    return found


def _next(chain: str, step: int, sha256: str) -> tuple[str, float]:
    digest = hashlib.sha256(f"{chain}/{step}/{sha256}".encode()).hexdigest()
    return digest, round(int(digest[:8], 16) / 2**32, 5)


def _record(prepared: Prepared, losses: list[list[float]], engine: str) -> dict[str, object]:
    rows = len(prepared.train.examples)
    accuracy = [[step, 1 - loss] for step, loss in losses]
    return {
        "base": {"name": prepared.base.name, "fingerprint": prepared.fingerprint},
        "template": {"sha256": prepared.template_hash},
        "data": {"examples": rows, "learnt_tokens": rows, "sha256": prepared.train.sha256},
        "config": asdict(prepared.config),
        "curves": {
            "loss": losses,
            "accuracy": accuracy,
            "validation_loss": [one for one in losses if one[0] in VALIDATED] if prepared.valid else [],
            "validation_accuracy": [one for one in accuracy if one[0] in VALIDATED] if prepared.valid else [],
            "validation_exact": [],
        },
        "steps": STEPS,
        "kept_step": STEPS,
        "trained_tokens": 100,
        "seconds": 1.0,
        "hardware": {"device": "cpu", "dtype": "float32", "threads": 1, "engine": engine},
    }


def _die_once(out: Path, step: int) -> None:
    if os.environ.get(_DIES_AT) == str(step) and not (mark := out.with_name("died")).exists():
        mark.touch()
        os.kill(os.getpid(), 9)


if __name__ == "__main__":
    sys.exit(main())
