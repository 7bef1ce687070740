"""A score is the mean of its measures, and each measure shows what it saw. Knows no dimension."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHOWN = 20
"""Pieces of evidence that a measure keeps."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One place that a measure counts against the set; line 0 is the set as a whole."""

    line: int
    note: str


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that was measured.

    Attributes:
        name: a stable word for programs.
        value: from 0, all wrong, to 1, all right; None where there was nothing to measure.
        told: the figures behind it.
        evidence: the first places that count against it.
    """

    name: str
    value: float | None
    told: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """One dimension: the mean of what could be measured, or None where nothing could."""

    dimension: str
    measures: tuple[Measure, ...]

    @property
    def value(self) -> float | None:
        """The mean."""
        values = [measure.value for measure in self.measures if measure.value is not None]
        return sum(values) / len(values) if values else None

    def shown(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "dimension": self.dimension,
            "score": rounded(self.value),
            "measures": [
                {
                    "name": measure.name,
                    "value": rounded(measure.value),
                    "told": measure.told,
                    "evidence": [{"line": one.line, "note": one.note} for one in measure.evidence],
                }
                for measure in self.measures
            ],
        }


def share(name: str, good: int, total: int, told: str, evidence: Iterable[Evidence] = ()) -> Measure:
    """Return `good` of `total` as a measure."""
    return Measure(name, good / total if total else None, told, first(evidence))


def first(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return as much evidence as is kept."""
    kept: Sequence[Evidence] = sorted(evidence, key=lambda one: one.line)
    return tuple(kept[:SHOWN])


def rounded(value: float | None) -> float | None:
    """Return a value as it is shown."""
    return None if value is None else round(value, 4)
