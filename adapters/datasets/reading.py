"""Reading a data set: every row checked, every fault told, and what holds for the whole set.

Chats and pairs have rules of their own (`chat`, `preference`). Must never know a tokenizer or a template.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from adapters.datasets.chat import check_chat
from adapters.datasets.example import Example
from adapters.datasets.finding import Finding, Findings, Severity
from adapters.datasets.lines import Line, json_lines
from adapters.datasets.preference import KEYS as PREFERENCE_KEYS
from adapters.datasets.preference import check_preference
from adapters.datasets.row import LABEL, Row
from core.callbacks import nothing
from core.errors import InvalidRequest

MAX_FILE_BYTES = 512_000_000
_SHOWN = 20


class Format(StrEnum):
    """What the rows of a set are."""

    CHAT = "chat"
    PREFERENCE = "preference"


class DatasetInvalid(InvalidRequest):
    """A data set cannot be trained on; `findings` says where and why."""

    code = "dataset_invalid"

    def __init__(self, name: str, findings: tuple[Finding, ...], count: int) -> None:
        lines = [f"{name}:{found} {found.mend}" for found in findings[:_SHOWN]]
        if count > len(lines):
            lines.append(f"… and {count - len(lines)} more.")
        super().__init__(f"The data set {name!r} has {count} faults. Mend them:\n" + "\n".join(lines))
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Dataset:
    """Checked examples.

    Attributes:
        name: the file's name.
        sha256: hash of the file's bytes.
        examples: every sound example, in the file's order.
        findings: what was found, by line; of very many only the first of each severity.
        format: what the rows are.
        rows: how many lines are a row, sound or not.
        counts: how often each code was found.
        errors: how many findings forbid training.
    """

    name: str
    sha256: str
    examples: tuple[Example, ...]
    findings: tuple[Finding, ...]
    format: Format = Format.CHAT
    rows: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: int = 0

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that forbid training."""
        return tuple(found for found in self.findings if found.severity is Severity.ERROR)


def check_dataset(
    path: Path,
    *,
    name: str | None = None,
    label_key: str = LABEL,
    keep: bool = True,
    row: Callable[[Line, Example | None], object] = nothing,
) -> Dataset:
    """Read `path` and note every fault instead of stopping at the first.

    Args:
        path: the file.
        name: what it is called, if not as the path says.
        label_key: the key of a row that holds its intent or class.
        keep: keep the examples; without it memory does not grow with the file.
        row: called with every row, and with its example where it is sound.

    Raises:
        InvalidRequest: there is no such file, or it is over the size limit.
    """
    name = path.name if name is None else name
    if not path.is_file():
        raise InvalidRequest(f"There is no data set {str(path)!r}. Name a JSONL file.", code="dataset_missing")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidRequest(
            f"The data set {name!r} is over {MAX_FILE_BYTES // 1_000_000} MB. Split it.", code="dataset_too_large"
        )
    findings, digest, whole = Findings(), hashlib.sha256(), _Whole()
    with path.open("rb") as file:
        for line in json_lines(file, findings, digest.update):
            example = _checked(line, label_key, whole, findings)
            row(line, example)
            if example is not None:
                whole.add(example, keep=keep)
    findings.extend(whole.findings(findings.errors))
    return Dataset(
        name=name,
        sha256=digest.hexdigest(),
        examples=tuple(whole.examples),
        findings=findings.kept(),
        format=whole.format or Format.CHAT,
        rows=whole.rows,
        counts=dict(findings.counts),
        errors=findings.errors,
    )


def read_dataset(path: Path, *, name: str | None = None, label_key: str = LABEL) -> Dataset:
    """Read a data set that is fit for training.

    Raises:
        DatasetInvalid: it has faults.
        InvalidRequest: there is no such file, or it is over the size limit.
    """
    dataset = check_dataset(path, name=name, label_key=label_key)
    if dataset.errors:
        raise DatasetInvalid(dataset.name, dataset.faults, dataset.errors)
    return dataset


@dataclass(slots=True)
class _Whole:
    """What is known of the set so far."""

    format: Format | None = None
    rows: int = 0
    sound: int = 0
    examples: list[Example] = field(default_factory=list)
    systems: dict[str | None, int] = field(default_factory=dict)

    def add(self, example: Example, *, keep: bool) -> None:
        self.sound += 1
        if len(self.systems) < 1_000:
            self.systems.setdefault(example.system, example.line)
        if keep:
            self.examples.append(example)

    def findings(self, errors: int) -> Iterator[Finding]:
        if not self.sound and not errors:
            yield Finding.error(1, "", "empty", "The file has no examples.")
        if len(self.systems) > 1:
            message = f"The set has {len(self.systems)} different system prompts; this line has the second."
            yield Finding.warning(
                sorted(self.systems.values())[1], "messages[0].content", "several_system_prompts", message
            )


def _checked(line: Line, label_key: str, whole: _Whole, findings: Findings) -> Example | None:
    row, example = Row(line.number, label_key), None
    whole.rows += 1
    if isinstance(line.value, dict):
        pair = not line.value.keys().isdisjoint(PREFERENCE_KEYS) and "messages" not in line.value
        kind = Format.PREFERENCE if pair else Format.CHAT
        if whole.format is None:
            whole.format = kind
        if kind is not whole.format:
            row.error("", "mixed_formats", f"The row is a {kind.value} row in a set of {whole.format.value} rows.")
        elif pair:
            example = check_preference(row, line.value)
        else:
            example = check_chat(row, line.value)
    else:
        row.error("", "data_type", "The line is not a JSON object.")
    findings.extend(row.findings)
    return example
