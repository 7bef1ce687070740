"""Figures of an evaluation: each metric in each slice, for each arm, with what resampling says of it.

Owns how answers become figures; must never know the gate.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from adapters.evaluation.answer import Answer, Arm
from adapters.evaluation.graders import Grader
from adapters.evaluation.measure import Measured, mean
from adapters.evaluation.statistics.paired import RESAMPLES, Array, Draws, Interval, interval_of, mcnemar
from adapters.evaluation.statistics.shares import paired_interval, wilson
from adapters.evaluation.task import Task

ALL = "all"
Answers = Mapping[Arm, Mapping[str, Answer]]
_FEWER_RESAMPLES = 2_000  # in slices that no rule names: they are looked at, not judged by
_LEAST_SLICE = 5


@dataclass(frozen=True, slots=True)
class Graded:
    """One metric over the tasks of a set, for one arm."""

    keys: tuple[str, ...]
    measured: Measured

    def each(self) -> Iterator[tuple[str, float, str]]:
        """Yield each task's key, score and note."""
        notes = self.measured.notes or ("",) * len(self.keys)
        return zip(self.keys, self.measured.scores, notes, strict=True)


@dataclass(frozen=True, slots=True)
class Difference:
    """The candidate against another arm, on the same cases.

    Attributes:
        value: candidate minus the other.
        resampled: the same in each resample.
        only_ours: cases in which only the candidate is right, or has more.
        only_theirs: the same of the other.
    """

    value: float
    resampled: Array
    only_ours: int
    only_theirs: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric in a slice.

    Attributes:
        metric: `SET.METRIC`.
        count: cases.
        groups: of cases that belong together, which are resampled as one; with none of these as many as cases.
        resampled: the metric in each resample.
    """

    metric: str
    slice: str
    count: int
    groups: int
    lower_is_better: bool
    binary: bool
    signature: str
    values: Mapping[Arm, float]
    resampled: Mapping[Arm, Array]
    differences: Mapping[Arm, Difference] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether exact tests apply."""
        return self.binary and self.groups == self.count

    def interval(self, arm: Arm, alpha: float = 0.05) -> Interval:
        """Return the interval of an arm's value."""
        if self.exact:
            return wilson(self.values[arm] * self.count, self.count, alpha)
        if self.binary and self.values[arm] in (0, 1):  # no resample differs: each group counts as one case
            return wilson(self.values[arm] * self.groups, self.groups, alpha)
        return interval_of(self.resampled[arm], alpha)

    def interval_of_difference(self, arm: Arm, alpha: float = 0.05) -> Interval:
        """Return the interval of the candidate's difference to an arm."""
        found = self.differences[arm]
        if self.pairs_decide(arm):
            return paired_interval(found.only_ours, found.only_theirs, self.count, alpha)
        return interval_of(found.resampled, alpha)

    def pairs_decide(self, arm: Arm) -> bool:
        """Tell whether the cases in which only one of two shares is right say how sure their difference is.

        They do where cases are on their own, and where there are none such, which no resample could doubt.
        """
        found = self.differences[arm]
        same = found.only_ours == found.only_theirs == 0
        return bool(self.binary and self.values) and (self.exact or same)

    def difference_shown(self, arm: Arm) -> dict[str, object]:
        """Return the candidate's difference to an arm for programs."""
        found = self.differences[arm]
        interval = self.interval_of_difference(arm)
        return {
            "value": found.value,
            "low": interval.low,
            "high": interval.high,
            "only_candidate": found.only_ours,
            "only_other": found.only_theirs,
            "p": mcnemar(found.only_ours, found.only_theirs) if self.exact else None,
        }


def grade(tasks: Sequence[Task], answers: Mapping[str, Answer]) -> dict[str, Graded]:
    """Return what the graders find in the answers of one arm, by `SET.METRIC`."""
    found: dict[str, Graded] = {}
    for name, grader, own in _by_grader(tasks):
        keys = tuple(task.key for task in own)
        for one in grader.measure([(task.case, answers[task.key]) for task in own]):
            metric = f"{name}.{one.name}"
            found[metric] = Graded(keys, one) if metric not in found else _joined(found[metric], keys, one)
    return found


def figures(
    tasks: Sequence[Task], graded: Mapping[Arm, Mapping[str, Graded]], seed: int, judged: set[str]
) -> Iterator[Figure]:
    """Yield every metric in every slice.

    Args:
        tasks: all of them.
        graded: what `grade` found of each arm.
        seed: of the resamples.
        judged: slices that the gate names; the others are resampled less.
    """
    by_key = {task.key: task for task in tasks}
    first = next(iter(graded.values()))
    for metric, one in first.items():
        places: dict[str, list[int]] = defaultdict(list)
        for place, key in enumerate(one.keys):
            for name in (ALL, *by_key[key].case.slices()):
                places[name].append(place)
        for name, chosen in places.items():
            if name == ALL or name in judged or len(chosen) >= _LEAST_SLICE:
                resamples = RESAMPLES if name == ALL or name in judged else _FEWER_RESAMPLES
                groups = _numbered([_group(by_key[one.keys[place]]) for place in chosen])
                yield _figure(
                    metric,
                    name,
                    {arm: told[metric] for arm, told in graded.items()},
                    chosen,
                    Draws(groups, seed, resamples),
                )


def preference_figure(
    metric: str, preferences: Mapping[Arm, Mapping[str, float]], tasks: Sequence[Task], seed: int
) -> Figure:
    """Return the figure of a judge: +1 where the candidate is preferred, -1 where the other is, 0 for a tie.

    Args:
        metric: its name.
        preferences: other arm → task → that.
        tasks: all of them.
        seed: of the resamples.
    """
    by_key = {task.key: task for task in tasks}
    differences, count, groups = {}, 0, 0
    for arm, told in preferences.items():
        numbers = _numbered([_group(by_key[key]) for key in told])
        rows = np.array([[value, 1.0] for value in told.values()])
        count, groups = len(told), len(set(numbers))
        wins, losses = sum(one > 0 for one in told.values()), sum(one < 0 for one in told.values())
        value = float(rows[:, 0].mean())
        differences[arm] = Difference(value, mean(Draws(numbers, seed).sums(rows)), wins, losses)
    return Figure(metric, ALL, count, groups, False, True, "", {}, {}, differences)


def _figure(metric: str, name: str, graded: Mapping[Arm, Graded], chosen: list[int], draws: Draws) -> Figure:
    measured = {arm: one.measured for arm, one in graded.items()}
    rows = {arm: one.rows[chosen] for arm, one in measured.items()}
    widths = np.cumsum([one.shape[1] for one in rows.values()])[:-1]
    sums = np.split(draws.sums(np.hstack(list(rows.values()))), widths, axis=1)
    resampled = {arm: one.combine(drawn) for (arm, one), drawn in zip(measured.items(), sums, strict=True)}
    values = {arm: float(one.combine(rows[arm].sum(axis=0, keepdims=True))[0]) for arm, one in measured.items()}
    any_one = next(iter(measured.values()))
    scores = {arm: np.asarray(one.scores)[chosen] for arm, one in measured.items()}
    differences: dict[Arm, Difference] = {
        arm: Difference(
            values[Arm.CANDIDATE] - values[arm],
            resampled[Arm.CANDIDATE] - resampled[arm],
            int((scores[Arm.CANDIDATE] > scores[arm]).sum()),
            int((scores[Arm.CANDIDATE] < scores[arm]).sum()),
        )
        for arm in measured
        if Arm.CANDIDATE in measured and arm is not Arm.CANDIDATE
    }
    return Figure(
        metric=metric,
        slice=name,
        count=len(chosen),
        groups=len(set(draws.groups)),
        lower_is_better=any_one.lower_is_better,
        binary=any_one.binary,
        signature=any_one.signature,
        values=values,
        resampled=resampled,
        differences=differences,
    )


def _by_grader(tasks: Sequence[Task]) -> Iterator[tuple[str, Grader, list[Task]]]:
    """Yield set, grader and the tasks that it grades: a whole set's grader sees all of them at once."""
    together: dict[tuple[str, str], tuple[Grader, list[Task]]] = {}
    for task in tasks:
        for grader in task.graders:
            together.setdefault((task.set, grader.model_dump_json()), (grader, []))[1].append(task)
    for (name, _), (grader, own) in together.items():
        yield name, grader, own


def _joined(graded: Graded, keys: tuple[str, ...], more: Measured) -> Graded:
    before = graded.measured
    both = Measured(
        before.name,
        np.vstack([before.rows, more.rows]),
        before.combine,
        (*before.scores, *more.scores),
        before.lower_is_better,
        before.binary and more.binary,
        (*_padded(before), *_padded(more)),
        before.signature,
    )
    return Graded((*graded.keys, *keys), both)


def _padded(measured: Measured) -> Sequence[str]:
    return measured.notes or ("",) * len(measured.scores)


def _group(task: Task) -> str:
    return f"group {task.case.group}" if task.case.group else task.key


def _numbered(names: Sequence[str]) -> list[int]:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return [numbers[name] for name in names]
