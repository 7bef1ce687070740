"""Findings: what is wrong or doubtful at one place of a data set, and how to mend it. Knows no format."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from adapters.datasets.mends import MENDS

KEPT = 1_000
"""Findings of each severity that are kept whole; beyond it they are counted."""


class Severity(StrEnum):
    """Whether a finding forbids training."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault or a doubt about one line.

    Attributes:
        line: line of the file, from 1.
        field: path of the field, such as `messages[2].content`; empty for the whole line.
        code: a stable word for programs.
        message: one sentence.
        severity: whether it forbids training.
    """

    line: int
    field: str
    code: str
    message: str
    severity: Severity

    @classmethod
    def error(cls, line: int, where: str, code: str, message: str) -> "Finding":
        """Make a finding that forbids training."""
        return cls(line, where, code, message, Severity.ERROR)

    @classmethod
    def warning(cls, line: int, where: str, code: str, message: str) -> "Finding":
        """Make a finding that does not."""
        return cls(line, where, code, message, Severity.WARNING)

    @property
    def mend(self) -> str:
        """What to do about it."""
        return MENDS[self.code]

    def shown(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "line": self.line,
            "field": self.field,
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            "mend": self.mend,
        }

    def __str__(self) -> str:
        return f"{self.line}: {self.field + ': ' if self.field else ''}{self.message} ({self.code})"


class Findings:
    """The findings of one file. However many a hostile file earns, memory stays bounded."""

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self.errors = 0
        self._kept: dict[Severity, list[Finding]] = {severity: [] for severity in Severity}
        self.extend(found)

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it while there is room."""
        self.counts[finding.code] += 1
        self.errors += finding.severity is Severity.ERROR
        if len(self._kept[finding.severity]) < KEPT:
            self._kept[finding.severity].append(finding)

    def extend(self, found: Iterable[Finding]) -> None:
        """Add several."""
        for finding in found:
            self.add(finding)

    def kept(self) -> tuple[Finding, ...]:
        """Return those that were kept, by line."""
        return tuple(sorted((one for kept in self._kept.values() for one in kept), key=lambda one: one.line))
