"""Taking a file in as a version: checked, looked through for personal data, masked where that is wanted, kept."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from adapters.datasets.finding import Finding, Findings, Severity
from adapters.datasets.lines import Line, json_lines
from adapters.datasets.personal.leaves import texts_of, with_texts
from adapters.datasets.personal.policy import Decision, Kind, Policy
from adapters.datasets.personal.scan import Span
from adapters.datasets.reading import Dataset, DatasetInvalid, check_dataset
from adapters.datasets.row import LABEL
from adapters.datasets.shelf import Datasets, NewDataset
from adapters.datasets.version import DatasetVersion
from core.callbacks import nothing
from core.errors import InvalidRequest

_BATCH = 64
_ABOUT = ("", "metadata.")
_GROUPS = frozenset(f"{where}group" for where in _ABOUT)


class PersonalData(Protocol):
    """What finds personal data."""

    def find(self, texts: list[str]) -> list[list[Span]]:
        """Return the spans in each text."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is to become a version.

    Attributes:
        path: where it is.
        name: of the data set.
        by: who brings it.
    """

    path: Path
    name: str
    by: str
    label_key: str = LABEL
    policy: Policy = field(default_factory=Policy)


def import_dataset(source: Source, datasets: Datasets, personal: PersonalData) -> DatasetVersion:
    """Take a file in as the next version of its data set; bytes that are there already make no new one.

    Raises:
        DatasetInvalid: it has faults, or personal data that is blocked; each has its line.
        InvalidRequest: there is no such file, or its name is bad.
        InternalError: personal data could not be looked for.
        Unavailable: the disk is full, or the database is locked.
    """
    checked = check_dataset(source.path, label_key=source.label_key, keep=False)
    _refuse(checked)
    draft = datasets.draft()
    try:
        sweep = _Sweep(source.policy, _unread(source.label_key))
        digest = hashlib.sha256()
        with source.path.open("rb") as file:
            lines = json_lines(file, Findings(), digest.update)
            for piece in _looked_through(lines, sweep, personal):
                draft.write(piece)
        draft.finish()
        if digest.hexdigest() != checked.sha256:
            raise InvalidRequest(
                f"{source.path.name!r} changed while it was read. Import it again.", code="dataset_changed"
            )
        if sweep.findings.errors:
            raise DatasetInvalid(source.path.name, sweep.faults(), sweep.findings.errors)
        kept = check_dataset(draft.path, name=source.path.name, label_key=source.label_key, keep=False)
        _refuse(kept)  # a mask can break arguments that a tool's schema binds
        new = NewDataset(
            name=source.name,
            rows=kept.rows,
            format=kept.format,
            label_key=source.label_key,
            source=source.path.name,
            source_sha256=checked.sha256,
            personal_data=sweep.shown(),
            warnings=dict(kept.counts),
            by=source.by,
        )
        return datasets.add(draft, new)
    finally:
        draft.discard()


def personal_findings(
    path: Path, policy: Policy, personal: PersonalData, label_key: str = LABEL
) -> tuple[Findings, dict[str, object]]:
    """Look through a file that stays as it is; return what was found, and how many of each kind."""
    sweep = _Sweep(policy, _unread(label_key))
    with path.open("rb") as file:
        for _ in _looked_through(json_lines(file, Findings(), nothing), sweep, personal):
            pass
    return sweep.findings, sweep.shown()


@dataclass(slots=True)
class _Sweep:
    policy: Policy
    unread: frozenset[str]
    groups: dict[str, str] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    counts: Counter[Kind] = field(default_factory=Counter)

    def masked(self, line: int, path: str, text: str, spans: list[Span]) -> str:
        """Count and judge what stands in a text; return it with what is to be masked replaced."""
        whole = text
        for span in reversed(spans):
            self.counts[span.kind] += 1
            decision = self.policy.decide(span.kind)
            told = f"Characters {span.start} to {span.end} look like personal data ({span.kind.value})."
            if decision is Decision.BLOCK:
                self.findings.add(Finding.error(line, path, "personal_data", told))
            elif decision is Decision.ALLOW:
                self.findings.add(Finding.warning(line, path, "personal_data", told))
            else:
                text = f"{text[: span.start]}[{span.kind.upper()}]{text[span.end :]}"
        if path in _GROUPS and text != whole:
            return self.groups.setdefault(whole.strip(), f"[GROUP {len(self.groups) + 1}]")
        return text

    def faults(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings.kept() if one.severity is Severity.ERROR)

    def shown(self) -> dict[str, object]:
        decided = self.policy.shown()
        return {kind.value: {"found": self.counts[kind], "decision": decided[kind.value]} for kind in Kind}


def _looked_through(lines: Iterable[Line], sweep: _Sweep, personal: PersonalData) -> Iterator[bytes]:
    """Yield the bytes of each line, masked where that is decided."""
    rest = iter(lines)
    while batch := list(islice(rest, _BATCH)):
        texts = [texts_of(line.value, sweep.unread) for line in batch]
        spans = iter(personal.find([text for found in texts for _, text in found]))
        for line, found in zip(batch, texts, strict=True):
            masked = [sweep.masked(line.number, path, text, next(spans)) for path, text in found]
            if masked == [text for _, text in found]:
                yield line.raw + b"\n"
                continue
            replaced = iter(masked)
            value = with_texts(line.value, lambda _, replaced=replaced: next(replaced), sweep.unread)  # type: ignore[misc]
            yield json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _unread(label_key: str) -> frozenset[str]:
    """Return where a class stands, and who has verified the row: both are to stay as they are."""
    return frozenset(f"{where}{key}" for where in _ABOUT for key in (LABEL, label_key, "reviewer"))


def _refuse(dataset: Dataset) -> None:
    if dataset.errors:
        raise DatasetInvalid(dataset.name, dataset.faults, dataset.errors)
