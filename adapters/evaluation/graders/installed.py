"""Graders in Python that the operator has installed: entry points of the group `repertory.graders`.

A file only names one. Nothing that comes over the API is ever run.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Literal, Protocol

from pydantic import Field, JsonValue

from adapters.evaluation.graders.grader import Metric, Options, Pair, failed
from adapters.evaluation.measure import Measured, average
from core.errors import InvalidRequest

GROUP = "repertory.graders"


class Function(Protocol):
    """What an entry point leads to."""

    def __call__(self, case: Mapping[str, object], answer: Mapping[str, object], **options: JsonValue) -> float:
        """Return a score between 0 and 1."""
        ...


class Installed(Options):
    """Asks a function that the operator has installed; it returns a score between 0 and 1."""

    kind: Literal["python"]
    entry: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$", description="Name of the entry point.")
    options: dict[str, JsonValue] = Field(default_factory=dict, description="What it is called with, by name.")

    @property
    def metric(self) -> str:
        """Its own name, or that of the entry point."""
        return self.name or self.entry

    def metrics(self) -> Mapping[str, Metric]:
        """Return the mean; only who has written it knows whether more is better."""
        return {self.metric: Metric(lower_is_better=None)}

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield the mean.

        Raises:
            InvalidRequest: it is not installed, or returns something else.
        """
        function = installed(self.entry)
        yield average(self.metric, [0.0 if failed(pair[1]) else self._score(function, pair) for pair in pairs])

    def _score(self, function: Function, pair: Pair) -> float:
        case, answer = pair
        score = function(case.model_dump(mode="json"), answer.model_dump(mode="json"), **self.options)
        if isinstance(score, bool | int | float) and 0 <= score <= 1:
            return float(score)
        raise InvalidRequest(
            f"The grader {self.entry!r} returned {score!r:.60} for the case {case.id!r}. It must return a number "
            "between 0 and 1.",
            code="grader_broken",
        )


def installed(name: str) -> Function:
    """Return a grader of the operator's.

    Raises:
        InvalidRequest: there is none of that name.
    """
    found = {one.name: one for one in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise InvalidRequest(
            f"No grader {name!r} is installed (there are: {known}). Install a package on this server that names "
            f"it in its entry points, group {GROUP!r}.",
            code="grader_not_installed",
        )
    function: Function = found[name].load()
    return function
