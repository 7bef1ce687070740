"""Scores of one persona on one set of items. Knows labels, never where answers come from."""

from collections.abc import Sequence
from dataclasses import dataclass

from examples.evaluation.statistics import macro_f1
from examples.evaluation.tasks import Item, Task


@dataclass(frozen=True, slots=True)
class Scores:
    """How often a persona was right.

    Attributes:
        persona: its id, with what was added to the question.
        right: for each item, whether both parts of the label were right.
        credits: for each item, the share of the label's parts that was right: 0, 0.5 or 1.
        both: share of items with both parts right; the measure that decides.
        parts: share of all parts right, so that half an answer is seen.
        first: share with the first part right.
        first_f1: macro-F1 of the first part.
        second: share with the second part right.
        well_formed: share whose first line a program can read.
    """

    persona: str
    right: tuple[bool, ...]
    credits: tuple[float, ...]
    both: float
    parts: float
    first: float
    first_f1: float
    second: float
    well_formed: float


def score(
    task: Task, persona: str, items: Sequence[Item], answers: Sequence[str], *, lenient: bool = False
) -> Scores:
    """Score the answers of `persona`, which stand in the order of `items`; `lenient` reads them kindly."""
    read = task.lenient_label if lenient else task.label
    labels = [read(answer) for answer in answers]
    right = tuple(item.label == label for item, label in zip(items, labels, strict=True))
    first = [item.label.first == label.first for item, label in zip(items, labels, strict=True)]
    second = [item.label.second == label.second for item, label in zip(items, labels, strict=True)]
    credits = tuple((one + other) / 2 for one, other in zip(first, second, strict=True))
    return Scores(
        persona=persona,
        right=right,
        credits=credits,
        both=_share(right),
        parts=_share(credits),
        first=_share(first),
        first_f1=macro_f1([item.label.first for item in items], [label.first for label in labels]),
        second=_share(second),
        well_formed=_share([task.well_formed(answer) for answer in answers]),
    )


def _share(hits: Sequence[float]) -> float:
    return sum(hits) / len(hits)
