"""Graders of how an answer came: its citations, its length, its time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from adapters.evaluation.answer import Answer
from adapters.evaluation.case import Case
from adapters.evaluation.graders.grader import SHARE, Metric, Options, Pair, failed
from adapters.evaluation.measure import Measured, average, share


class Cited(Options):
    """One of the case's `sources` is cited; `cited.found` tells whether it was among the passages."""

    kind: Literal["cited"]

    def needs(self, case: Case) -> str | None:
        """Want to know the document."""
        return None if case.sources else "sources"

    def metrics(self) -> Mapping[str, Metric]:
        """Return both."""
        return {self.metric: SHARE, f"{self.metric}.found": SHARE}

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield the share that cites, and the share that was given the document."""
        cited = [_named(case, answer, cited=True) for case, answer in pairs]
        found = [_named(case, answer, cited=False) for case, answer in pairs]
        yield share(self.metric, [(one, "none of the documents is cited") for one in cited])
        yield share(f"{self.metric}.found", [(one, "none of the documents was found") for one in found])


class Finished(Options):
    """The answer came to its own end and says something: it is neither cut off nor empty."""

    kind: Literal["finished"]

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield the share of whole answers."""
        told = [failed(answer) or _cut(answer) for _, answer in pairs]
        yield share(self.metric, [(problem is None, problem or "") for problem in told])


class Latency(Options):
    """Seconds from the question to the whole answer, as a mean; less is better.

    Compare arms of one evaluation only: they share the machine's load. A question without an answer counts as the
    slowest one.
    """

    kind: Literal["latency"]

    def metrics(self) -> Mapping[str, Metric]:
        """Return the mean, which has no highest value."""
        return {self.metric: Metric(most=None, lower_is_better=True)}

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield the mean."""
        slowest = max((answer.seconds for _, answer in pairs if not failed(answer)), default=0.0)
        seconds = [slowest if failed(answer) else answer.seconds for _, answer in pairs]
        notes = [failed(answer) or "" for _, answer in pairs]
        yield average(self.metric, seconds, lower_is_better=True, notes=notes)


def _cut(answer: Answer) -> str | None:
    if answer.finish == "length":
        return "it was cut off"
    return None if answer.text.strip() or answer.calls else "it is empty"


def _named(case: Case, answer: Answer, *, cited: bool) -> bool:
    wanted = {one.casefold() for one in case.sources}
    names = [
        name.casefold()
        for one in answer.sources
        if one.cited or not cited
        for name in (one.document, one.document.rpartition("/")[2], one.title, one.title.partition(" › ")[0])
    ]
    return not failed(answer) and not wanted.isdisjoint(names)
