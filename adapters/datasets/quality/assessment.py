"""All four dimensions over one data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.datasets.quality.accuracy import accuracy
from adapters.datasets.quality.completeness import completeness
from adapters.datasets.quality.consistency import consistency
from adapters.datasets.quality.relevance import Embed, relevance
from adapters.datasets.quality.score import Score
from adapters.datasets.reading import Dataset

EDGE_CASES = ("refusal", "unknown", "error", "abusive")
__all__ = ["Embed", "Persona", "Targets", "assess"]


@dataclass(frozen=True, slots=True)
class Targets:
    """What a set should have.

    Attributes:
        each: rows for every label.
        labels: label → rows, for those that must be there.
        edge_cases: tags of which there should be a row.
        floor: cosine to the persona below which a row is out of domain.
    """

    each: int = 10
    labels: Mapping[str, int] = field(default_factory=dict)
    edge_cases: Sequence[str] = EDGE_CASES
    floor: float = 0.15


@dataclass(frozen=True, slots=True)
class Persona:
    """Whom the set is for.

    Attributes:
        system: the system prompt that it is served with.
        texts: what it is about, in pieces.
        embed: gives unit vectors; without it, nearness is not measured.
    """

    system: str
    texts: Sequence[str]
    embed: Embed | None = None


def assess(dataset: Dataset, targets: Targets, persona: Persona | None = None) -> tuple[Score, ...]:
    """Measure accuracy, completeness, consistency and relevance."""
    examples = dataset.examples
    texts, embed = (persona.texts, persona.embed) if persona else ((), None)
    return (
        accuracy(examples, dataset.rows),
        completeness(examples, each=targets.each, edge_cases=targets.edge_cases, labels=targets.labels),
        consistency(examples, persona.system if persona else None),
        relevance(examples, texts, embed, floor=targets.floor),
    )
