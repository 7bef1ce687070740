"""A whole check: findings, lengths in tokens, personal data, and the four scores."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from statistics import mean, median, quantiles

from adapters.datasets.example import Example
from adapters.datasets.finding import Finding, Findings, Severity
from adapters.datasets.quality import Persona, Score, Targets, assess
from adapters.datasets.reading import Dataset, check_dataset
from adapters.datasets.row import LABEL
from adapters.training.config import MAX_LENGTH


@dataclass(frozen=True, slots=True)
class Length:
    """Tokens of one example: all of them, and those that are learnt."""

    line: int
    total: int
    learnt: int


Measuring = Callable[[Iterable[Example]], Iterator[Length]]
"""Counts tokens with the base's own tokenizer and template."""


@dataclass(frozen=True, slots=True)
class Check:
    """What is to be checked against.

    Attributes:
        label_key: the key of a row's label.
        targets: what a set should have.
        persona: whom it is for.
        measuring: counts tokens.
        most_tokens: longest example that is trained on.
        personal: looks through the file for personal data; returns findings and counts.
    """

    label_key: str = LABEL
    targets: Targets = field(default_factory=Targets)
    persona: Persona | None = None
    measuring: Measuring | None = None
    most_tokens: int = MAX_LENGTH
    personal: Callable[[Path], tuple[Findings, Mapping[str, object]]] | None = None

    def run(self, path: Path, name: str) -> "Checked":
        """Check a file.

        Raises:
            InvalidRequest: there is no such file, or it is over the size limit.
            RepertoryError: tokens or personal data cannot be counted.
        """
        dataset = check_dataset(path, name=name, label_key=self.label_key)
        lengths = tuple(self.measuring(dataset.examples)) if self.measuring else ()
        personal, counts = self.personal(path) if self.personal else (Findings(), {})
        later = Findings(chain(self._too_long(lengths), self._other_systems(dataset)))
        findings = (*dataset.findings, *later.kept(), *personal.kept())
        whole = replace(
            dataset,
            findings=tuple(sorted(findings, key=lambda one: one.line)),
            counts=dict(Counter(dataset.counts) + later.counts + personal.counts),
            errors=dataset.errors + later.errors + personal.errors,
        )
        return Checked(whole, assess(dataset, self.targets, self.persona), lengths, counts, self.most_tokens)

    def _too_long(self, lengths: Iterable[Length]) -> Iterator[Finding]:
        for length in lengths:
            if length.total > self.most_tokens:
                told = f"The example has {length.total} tokens, over the limit of {self.most_tokens}."
                yield Finding.error(length.line, "", "over_token_limit", told)

    def _other_systems(self, dataset: Dataset) -> Iterator[Finding]:
        if self.persona is None:
            return
        for example in dataset.examples:
            if example.system != self.persona.system:
                told = (
                    "There is no system message, and the persona is served with one."
                    if example.system is None
                    else "The system prompt is not the one that the persona is served with."
                )
                yield Finding.error(example.line, "messages[0].content", "system_prompt_differs", told)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found out.

    Attributes:
        dataset: the set with all findings.
        scores: the four dimensions.
        lengths: in tokens, where they were counted.
        personal_data: kind → what was found.
    """

    dataset: Dataset
    scores: tuple[Score, ...]
    lengths: tuple[Length, ...]
    personal_data: Mapping[str, object]
    most_tokens: int

    @property
    def sound(self) -> bool:
        """Whether nothing forbids training."""
        return not self.dataset.errors

    def labels(self) -> Counter[str]:
        """Return label → rows."""
        return Counter(one.about.label for one in self.dataset.examples if one.about.label is not None)

    def turns(self) -> Counter[int]:
        """Return how many answers an example has → examples."""
        return Counter(
            sum(message.role == "assistant" for message in one.messages) for one in self.dataset.examples
        )

    def sizes(self) -> dict[str, dict[str, float]]:
        """Return what is told of lengths: smallest, largest, mean, median, 5th and 95th percentile."""
        told: dict[str, list[int]] = {"messages": [len(one.messages) for one in self.dataset.examples]}
        if self.lengths:
            told["tokens"] = [one.total for one in self.lengths]
            told["learnt_tokens"] = [one.learnt for one in self.lengths]
        return {name: _spread(values) for name, values in told.items() if values}

    def shown(self) -> dict[str, object]:
        """Return the report for programs."""
        dataset = self.dataset
        warnings = sum(dataset.counts.values()) - dataset.errors
        return {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "format": dataset.format.value,
            "rows": dataset.rows,
            "sound_rows": len(dataset.examples),
            "errors": dataset.errors,
            "warnings": warnings,
            "counts": dict(sorted(dataset.counts.items())),
            "findings": [finding.shown() for finding in dataset.findings],
            "scores": [score.shown() for score in self.scores],
            "labels": dict(self.labels().most_common()),
            "turns": {str(turns): rows for turns, rows in sorted(self.turns().items())},
            "sizes": self.sizes(),
            "max_tokens": self.most_tokens if self.lengths else None,
            "personal_data": dict(self.personal_data),
        }

    def by_code(self) -> list[tuple[str, int, Finding]]:
        """Return code, how often, and the first finding of it; what forbids training first."""
        firsts: dict[str, Finding] = {}
        for finding in self.dataset.findings:
            firsts.setdefault(finding.code, finding)
        order = sorted(firsts.values(), key=lambda one: (one.severity is not Severity.ERROR, one.line))
        return [(one.code, self.dataset.counts[one.code], one) for one in order]


def _spread(values: list[int]) -> dict[str, float]:
    cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else [float(values[0])] * 19
    return {
        "min": min(values),
        "max": max(values),
        "mean": round(mean(values), 2),
        "median": median(values),
        "p5": round(cuts[0], 2),
        "p95": round(cuts[-1], 2),
    }
