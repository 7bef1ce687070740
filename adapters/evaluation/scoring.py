"""From answers to a result: figures, verdict, and every answer side by side; in a process of its own."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from adapters.evaluation import judging
from adapters.evaluation.answer import Answer, Arm
from adapters.evaluation.figures import ALL, Figure, Graded, figures, grade, preference_figure
from adapters.evaluation.gate import judge
from adapters.evaluation.spec import EvalSpec
from adapters.evaluation.task import Task

Choices = tuple[str | None, str | None]
"""What the judge chose, in the straight order and in the swapped one."""


class Work(BaseModel):
    """Everything that was answered.

    Attributes:
        judged: other arm → task → what the judge chose.
        labels: what the judge chose of the pairs that people have compared, in their order.
    """

    model_config = ConfigDict(frozen=True)

    spec: EvalSpec
    tasks: tuple[Task, ...]
    answers: dict[Arm, dict[str, Answer]]
    judged: dict[Arm, dict[str, Choices]] = {}
    labels: tuple[Choices, ...] = ()


def score(work: Work) -> dict[str, object]:
    """Return the result for programs and pages.

    Raises:
        InvalidRequest: a grader of the operator's is missing or broken.
    """
    graded = {arm: grade(work.tasks, told) for arm, told in work.answers.items()}
    scores = {arm: _scores(one) for arm, one in graded.items()}
    named = {rule.slice for rule in work.spec.gate}
    found = [*figures(work.tasks, graded, work.spec.seed, named), *_preferences(work)]
    told, doubts = _of_judge(work)
    gate: dict[str, object] | None = None
    if Arm.CANDIDATE in work.answers and work.spec.gate:
        outcome, reason, results = judge(work.spec.gate, found, list(work.answers), doubts)
        gate = {"outcome": outcome.value, "reason": reason, "rules": [one.shown() for one in results]}
    return {
        "arms": [arm.value for arm in work.answers],
        "cases": len(work.tasks),
        "metrics": [_shown(one) for one in found],
        "gate": gate,
        "judge": told,
        "failed": {arm.value: _failed(told) for arm, told in work.answers.items()},
        "answers": [_side_by_side(task, work, scores) for task in work.tasks],
    }


def _shown(figure: Figure) -> dict[str, object]:
    arms = {}
    for arm, value in figure.values.items():
        interval = figure.interval(arm)
        arms[arm.value] = {"value": value, "low": interval.low, "high": interval.high}
    return {
        "metric": figure.metric,
        "slice": figure.slice,
        "n": figure.count,
        "lower_is_better": figure.lower_is_better,
        "signature": figure.signature,
        "arms": arms,
        "differences": {arm.value: figure.difference_shown(arm) for arm in figure.differences},
    }


def _preferences(work: Work) -> Sequence[Figure]:
    found = []
    for name in dict.fromkeys(task.set for task in work.tasks if task.judged):
        keys = [task.key for task in work.tasks if task.set == name and task.judged]
        told = {
            arm: {key: judging.preference(*choices[key]) for key in keys if key in choices}
            for arm, choices in work.judged.items()
        }
        if told := {arm: one for arm, one in told.items() if one}:
            found.append(preference_figure(f"{name}.judge", told, work.tasks, work.spec.seed))
    return found


def _of_judge(work: Work) -> tuple[dict[str, object] | None, Mapping[str, str]]:
    """Return what is told of the judge, and its metrics on which nothing may be built."""
    if work.spec.judge is None:
        return None, {}
    said = [judging.preference(*choices) for choices in work.labels]
    agreed = judging.agreement(work.spec.judge.labels, said) if len(said) == len(work.spec.judge.labels) else None
    doubt = judging.doubt(work.spec.judge, agreed)
    straight = {f"{arm}/{key}": one for arm, told in work.judged.items() for key, (one, _) in told.items()}
    swapped = {f"{arm}/{key}": two for arm, told in work.judged.items() for key, (_, two) in told.items()}
    shown = {
        "model": work.spec.judge.model,
        "identity": judging.identity(work.spec.judge),
        "labels": len(work.spec.judge.labels),
        "kappa": agreed,
        "consistent": judging.consistency(straight, swapped),
        "doubt": doubt,
    }
    sets = {task.set for task in work.tasks if task.judged}
    return shown, {} if doubt is None else {f"{name}.judge": doubt for name in sets}


def _failed(answers: Mapping[str, Answer]) -> int:
    return sum(one.error is not None for one in answers.values())


def _scores(graded: Mapping[str, Graded]) -> dict[str, dict[str, object]]:
    """Return task → metric → what it was told to have."""
    found: dict[str, dict[str, object]] = defaultdict(dict)
    for metric, one in graded.items():
        for key, value, note in one.each():
            found[key][metric] = {"score": value, "note": note}
    return found


def _side_by_side(task: Task, work: Work, scores: Mapping[Arm, Mapping[str, object]]) -> dict[str, object]:
    return {
        "key": task.key,
        "set": task.set,
        "slices": [ALL, *task.case.slices()],
        "question": task.case.question,
        "expected": task.case.expected,
        "arms": {
            arm.value: {**told[task.key].model_dump(mode="json"), "scores": scores[arm].get(task.key, {})}
            for arm, told in work.answers.items()
        },
    }
