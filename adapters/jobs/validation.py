"""The first step of a job: what would fail later is refused now, with what to do instead.

Files are checked once more, since a job may be made of files that nobody has looked at.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from adapters.base import BaseModel
from adapters.datasets.apart import Verdict, check_apart, hash_of
from adapters.datasets.finding import Findings
from adapters.datasets.lines import json_lines
from adapters.inspection import ImportLimits
from adapters.jobs.job import Job
from adapters.lora_config import read_lora_config
from adapters.template import template_of
from adapters.training.config import TrainingConfig
from adapters.training.defaults import Wish
from adapters.training.preparation import FORMATS, wrong_format
from core.callbacks import nothing
from core.errors import InvalidRequest

_TRAINING, _VALIDATION = "training_file", "validation_file"
_LEARNT = ("messages", "tools", "input", "preferred_output", "non_preferred_output")
"""Keys of a row that a training reads; two rows that differ in others are the same example."""


class Validation:
    """Checks jobs against the base that is served, and settles what was left open.

    Args:
        base_dir: finds the folder of the base model.
        base: reads what identifies it; blocking.
        limits: what the engine is started for.
        system_of: system prompt that a persona serves with; None where there is no such persona any more.
    """

    def __init__(
        self,
        base_dir: Callable[[], Path],
        base: Callable[[], BaseModel],
        limits: ImportLimits,
        system_of: Callable[[str], str | None],
    ) -> None:
        self._base_dir = base_dir
        self._base = base
        self._limits = limits
        self._system_of = system_of

    def settle(self, job: Job, data: Path, valid: Path | None) -> TrainingConfig:
        """Return the hyperparameters of a job that may be trained.

        Raises:
            InvalidRequest: it may not; `param` names the file or the hyperparameter.
        """
        if template_of(self._base_dir()).training is None:
            raise InvalidRequest(
                "The base's chat template has no {% generation %} marks, so that it is unknown what would be "
                "learnt. Put a marked chat_template.jinja into the base's folder.",
                code="template_without_marks",
                param="model",
            )
        job.new.wish.check()
        self.check_rank(job.new.wish)
        system = self._served_system(job)
        base = self._base()
        config = job.new.wish.settled(
            examples=_rows(data),
            parameters=sum(outputs * inputs for outputs, inputs in base.linear.values()),
            max_rank=self._limits.max_rank,
        )
        self.check_servable(config, base.name)
        seen = self._checked(job, data, job.new.training_file, _TRAINING)
        if valid is not None:
            self._checked(job, valid, job.new.validation_file or valid.name, _VALIDATION)
            _check_disjoint(data, valid)
        if system is not None:
            _check_system(job, seen, system)
        return config

    def check_rank(self, wish: Wish) -> None:
        """Refuse a rank that the engine does not serve, before any work.

        Raises:
            InvalidRequest: it is too high.
        """
        if wish.rank is not None and wish.rank > self._limits.max_rank:
            raise InvalidRequest(
                f"Rank {wish.rank} is over the {self._limits.max_rank} that the engine is started for. Train with "
                "a lower rank, or raise the setting max_lora_rank.",
                code="rank_too_high",
                param="rank",
            )

    def check_servable(self, config: TrainingConfig, base_name: str) -> None:
        """Refuse what the engine could not serve, before any time is spent on it.

        Raises:
            InvalidRequest: the code says what.
        """
        try:
            read_lora_config(json.dumps(config.lora(base_name)).encode(), max_rank=self._limits.max_rank)
        except InvalidRequest as error:
            raise InvalidRequest(error.message, code=error.code, param="rank") from error

    def _checked(self, job: Job, path: Path, name: str, param: str) -> Verdict:
        seen = check_apart(path, name)
        if seen.errors:
            told = "\n".join(seen.told)
            raise InvalidRequest(
                f"{name!r} has {seen.errors} faults.\n{told}", code=f"invalid_{param}", param=param
            )
        method = job.new.wish.method
        if seen.format is not FORMATS[method]:
            raise InvalidRequest(wrong_format(name, seen.format, method), code="wrong_format", param=param)
        return seen

    def _served_system(self, job: Job) -> str | None:
        """Return what the persona of the job is served with; None: it is for no persona."""
        persona = job.new.persona
        if persona is None:
            return None
        served = self._system_of(persona)
        if served is None:
            raise InvalidRequest(
                f"There is no persona {persona!r} whose system prompt the examples could be compared with. Put "
                "its file into the folder of personas, or name the base as the model.",
                code="persona_not_found",
                param="model",
            )
        return served


def _rows(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _check_system(job: Job, seen: Verdict, served: str) -> None:
    for found, line in seen.systems.items():
        if found != hash_of(served):
            had = "has none" if not found else "has another"
            raise InvalidRequest(
                f"{job.new.persona!r} is served with a system prompt of its own; line {line} {had}. Write the "
                "persona's into every example, or name the base as the model.",
                code="system_prompt_differs",
                param=_TRAINING,
            )


def _learnt_from(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield the number of each row, and a hash of what is learnt from it, however it is written."""
    for line in json_lines(file, Findings(), nothing):
        row = line.value if isinstance(line.value, dict) else {}
        yield line.number, hash(json.dumps({key: row.get(key) for key in _LEARNT}, sort_keys=True))


def _check_disjoint(data: Path, valid: Path) -> None:
    with valid.open("rb") as file:
        held_out = {found for _, found in _learnt_from(file)}
    with data.open("rb") as file:
        for number, found in _learnt_from(file):
            if found in held_out:
                raise InvalidRequest(
                    f"Line {number} of the training file stands in the validation file, too, so that the "
                    "validation would praise what was learnt by heart. `repertory dataset split` makes parts "
                    "without leaks.",
                    code="files_overlap",
                    param=_VALIDATION,
                )
