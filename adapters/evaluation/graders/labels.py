"""The grader of classes: accuracy, and F1 as a mean over the classes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from adapters.evaluation.answer import Answer
from adapters.evaluation.case import Case
from adapters.evaluation.graders.grader import SHARE, Metric, Options, Pair, failed
from adapters.evaluation.graders.texts import compiles
from adapters.evaluation.measure import Measured, share
from adapters.evaluation.statistics.paired import Array


class Label(Options):
    """The class that an answer names: its first line, or the first group of a pattern.

    Measures `accuracy` and `macro_f1`. A class that is not expected anywhere is a miss and no class of its own.
    """

    kind: Literal["label"]
    pattern: str | None = Field(
        None, max_length=2_000, description="Its first group, or else all that it finds, is the class."
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        return pattern if pattern is None else compiles(pattern)

    def metrics(self) -> Mapping[str, Metric]:
        """Return both."""
        return {f"{self.metric}.accuracy": SHARE, f"{self.metric}.macro_f1": SHARE}

    def needs(self, case: Case) -> str | None:
        """Want one class."""
        return None if case.expected or case.label else "expected"

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield accuracy and macro-F1."""
        accepted = [[self._class_of(one) for one in case.expected or [case.label or ""]] for case, _ in pairs]
        said = [None if failed(answer) else self.read(answer.text) for _, answer in pairs]
        wanted = [
            one if one is not None and one in several else several[0]
            for one, several in zip(said, accepted, strict=True)
        ]
        told = [
            (one == other, _why(answer, other))
            for one, other, (_, answer) in zip(wanted, said, pairs, strict=True)
        ]
        accuracy = share(f"{self.metric}.accuracy", told)
        yield accuracy
        classes = sorted(set(wanted))
        rows = np.array([_counts(classes, one, other) for one, other in zip(wanted, said, strict=True)])
        yield Measured(f"{self.metric}.macro_f1", rows, macro_f1, accuracy.scores)

    def read(self, text: str) -> str | None:
        """Return the class that a text names; None where the pattern does not fit it."""
        if self.pattern is not None:
            found = re.search(self.pattern, text)
            if found is None:
                return None
            text = found.group(1) or "" if found.re.groups else found.group()
        return _plain(text)

    def _class_of(self, expected: str) -> str:
        """Return the class that is meant: what the pattern finds, or the bare class."""
        found = self.read(expected)
        return _plain(expected) if found is None else found


def macro_f1(sums: Array) -> Array:
    """Make macro-F1 of hits, expected and said of each class; a class that a resample lacks is left out."""
    hits, wanted, said = np.split(sums, 3, axis=1)
    there = wanted > 0
    scores = np.divide(2 * hits, wanted + said, out=np.zeros_like(hits), where=there)
    nothing = np.full(len(sums), np.nan)
    means: Array = np.divide(scores.sum(axis=1), there.sum(axis=1), out=nothing, where=there.any(axis=1))
    return means


def _plain(text: str) -> str:
    return text.strip().split("\n", 1)[0].strip().rstrip(".").casefold()


def _counts(classes: Sequence[str], wanted: str, said: str | None) -> list[float]:
    hits = [float(one == wanted == said) for one in classes]
    return [*hits, *(float(one == wanted) for one in classes), *(float(one == said) for one in classes)]


def _why(answer: Answer, said: str | None) -> str:
    if said is None:
        return failed(answer) or "the pattern does not fit"
    return f"it says {said[:80]!r}"
