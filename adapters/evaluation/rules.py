"""Whether the rules of a gate can be tested at all, told before anything is asked. Knows no answer."""

import difflib
from collections.abc import Iterator, Sequence

from adapters.evaluation.figures import ALL
from adapters.evaluation.graders.grader import Metric
from adapters.evaluation.reading import EvalFileInvalid
from adapters.evaluation.spec import EvalSpec, Rule
from adapters.evaluation.task import Task

_JUDGE = Metric(least=-1.0)
_MOST_TOLD = 5


def check_rules(spec: EvalSpec, tasks: Sequence[Task]) -> None:
    """Refuse rules on what is not measured, and those that no version or every version would pass.

    Raises:
        EvalFileInvalid: there are such; the message names each.
    """
    metrics, slices = _measured(tasks)
    problems = [problem for rule in spec.gate if (problem := _problem(rule, metrics, slices)) is not None]
    if problems:
        raise EvalFileInvalid("; ".join(problems[:_MOST_TOLD]) + ".")


def counts(tasks: Sequence[Task]) -> dict[tuple[str, str], int]:
    """Return how many cases there are for each metric in each slice."""
    found: dict[tuple[str, str], int] = {}
    for task in tasks:
        for metric, _ in _of(task):
            for name in (ALL, *task.case.slices()):
                found[metric, name] = found.get((metric, name), 0) + 1
    return found


def _measured(tasks: Sequence[Task]) -> tuple[dict[str, Metric], dict[str, set[str]]]:
    """Return the metrics, and the slices that each has."""
    metrics: dict[str, Metric] = {}
    slices: dict[str, set[str]] = {}
    for task in tasks:
        for name, metric in _of(task):
            metrics[name] = metric
            slices.setdefault(name, {ALL}).update(task.case.slices())
    return metrics, slices


def _of(task: Task) -> Iterator[tuple[str, Metric]]:
    for grader in task.graders:
        for name, metric in grader.metrics().items():
            yield f"{task.set}.{name}", metric
    if task.judged:
        yield f"{task.set}.judge", _JUDGE


def _problem(rule: Rule, metrics: dict[str, Metric], slices: dict[str, set[str]]) -> str | None:
    metric = metrics.get(rule.metric)
    if metric is None:
        return f"the gate names {rule.metric!r}, which nothing measures{_instead(rule.metric, metrics)}"
    if rule.slice not in slices[rule.metric]:
        return (
            f"the gate names the slice {rule.slice!r} of {rule.metric!r}, in which there is no case"
            f"{_instead(rule.slice, slices[rule.metric])}"
        )
    if metric.lower_is_better is not None and metric.lower_is_better != rule.op.startswith("<"):
        less, other = ("less", "`<` or `<=`") if metric.lower_is_better else ("more", "`>` or `>=`")
        return f"the rule on {rule.metric!r} says {rule.op!r}, and {less} of it is better; write {other}"
    return None if rule.value is None else _bar_problem(rule, metric, rule.value)


def _bar_problem(rule: Rule, metric: Metric, value: float) -> str | None:
    least = -float("inf") if metric.least is None else metric.least
    most = float("inf") if metric.most is None else metric.most
    if not least <= value <= most:
        hint = "; write 0.8 for 80 percent" if metric.most == 1 and value > 1 else ""
        return f"the bar of {rule.metric!r} is {value:g}, and it goes from {least:g} to {most:g}{hint}"
    if (rule.op, value) in ((">", most), ("<", least)):
        return f"no version can have {rule.metric} {rule.op} {value:g}; write `{rule.op}=`"
    return None


def _instead(given: str, known: Sequence[str] | set[str] | dict[str, Metric]) -> str:
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(known)[:10]) or 'none'}"
