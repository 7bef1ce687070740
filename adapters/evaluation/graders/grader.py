"""What every grader is: its options in the eval file, and a measurement of answers."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from adapters.evaluation.answer import Answer
from adapters.evaluation.case import Case, Part
from adapters.evaluation.measure import Measured

Pair = tuple[Case, Answer]


@dataclass(frozen=True, slots=True)
class Metric:
    """What the figures of a metric look like.

    Attributes:
        least: its lowest value; None: there is none.
        most: its highest value.
        lower_is_better: such as seconds; None: nobody knows.
    """

    least: float | None = 0.0
    most: float | None = 1.0
    lower_is_better: bool | None = False


SHARE = Metric()
HUNDRED = Metric(most=100.0)


class Options(Part):
    """The base of all graders."""

    name: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="The metric's name, where two graders are of one kind.",
    )

    @property
    def metric(self) -> str:
        """The name that gates and reports use."""
        return self.name or str(getattr(self, "kind", ""))

    def metrics(self) -> Mapping[str, Metric]:
        """Return what `measure` yields, by name."""
        return {self.metric: SHARE}

    @abstractmethod
    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield what it finds over cases and their answers."""

    def needs(self, case: Case) -> str | None:
        """Return what a case must say for this grader and does not; None where nothing is missing."""
        return None


def failed(answer: Answer) -> str | None:
    """Return why an answer cannot be right, whatever it says."""
    return None if answer.error is None else f"there is no answer ({answer.error})"
