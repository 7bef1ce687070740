"""The gate: rules over figures, and a verdict with its reason in words.

A rule passes where the data shows it, fails where the estimate itself is against it, and is inconclusive between:
too few cases, or an interval too wide. Tests of several required rules are corrected together (Holm).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from adapters.evaluation.answer import Arm
from adapters.evaluation.figures import Figure
from adapters.evaluation.spec import Rule
from adapters.evaluation.statistics.paired import Array, Interval, bootstrap_p_value, holm, mcnemar
from adapters.evaluation.statistics.shares import paired_p_value, share_p_value
from adapters.verdict import Outcome

_HOPELESS = 100
_LEAST_GROUPS = 10
"""With fewer of them a bootstrap that draws whole groups finds differences where there are none."""
_EXACT = 1e-9
"""What 0.02 may differ from the difference of 0.50 and 0.48."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Tested:
    """What the data says of a rule.

    Attributes:
        count: cases.
        groups: of cases that belong together.
        estimate: the difference, or with `absolute` the value itself.
        bar: what it must be beyond.
        p_value: two-sided, of the bar being the truth.
    """

    count: int
    groups: int
    estimate: float
    bar: float
    interval: Interval
    p_value: float


@dataclass(frozen=True, slots=True)
class RuleResult:
    """How a rule came out; `tested` is None where there was nothing to test."""

    rule: Rule
    outcome: Outcome
    reason: str
    tested: Tested | None = None
    adjusted: float | None = None

    def shown(self) -> dict[str, object]:
        """Return it for programs."""
        told: dict[str, object] = {**self.rule.model_dump(), "outcome": self.outcome.value, "reason": self.reason}
        if self.tested is not None:
            told |= {
                "n": self.tested.count,
                "groups": self.tested.groups,
                "estimate": self.tested.estimate,
                "bar": self.tested.bar,
                "low": self.tested.interval.low,
                "high": self.tested.interval.high,
                "p": self.tested.p_value,
                "p_adjusted": self.adjusted,
            }
        return told


def judge(
    rules: Sequence[Rule], figures: Sequence[Figure], present: Sequence[Arm], doubts: Mapping[str, str]
) -> tuple[Outcome, str, list[RuleResult]]:
    """Return the verdict over all rules, its reason, and how each rule came out.

    Args:
        rules: of the eval file.
        figures: of the evaluation.
        present: the arms that were asked.
        doubts: metric → why nothing can be read from it.
    """
    by_name = {(one.metric, one.slice): one for one in figures}
    tested = [_tested(rule, by_name.get((rule.metric, rule.slice))) for rule in rules]
    family = [
        place
        for place, (rule, one) in enumerate(zip(rules, tested, strict=True))
        if rule.required and one is not None
    ]
    corrected = holm([one.p_value for place in family if (one := tested[place]) is not None])
    adjusted = dict(zip(family, corrected, strict=True))
    results = [
        _result(rule, one, adjusted.get(place), present, doubts)
        for place, (rule, one) in enumerate(zip(rules, tested, strict=True))
    ]
    outcome = _together([one.outcome for one in results if one.rule.required])
    return outcome, " ".join(_sentences(outcome, results)), results


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    return Outcome.INCONCLUSIVE if Outcome.INCONCLUSIVE in outcomes or not outcomes else Outcome.PASS


def _sentences(outcome: Outcome, results: Sequence[RuleResult]) -> Iterator[str]:
    required = [one for one in results if one.rule.required]
    if not required:
        yield "The gate has no required rule, so nothing decides."
    yield from (one.reason for one in required if one.outcome is outcome)
    yield from (
        f"Advisory: {one.reason}" for one in results if not one.rule.required and one.outcome is Outcome.FAIL
    )


def _tested(rule: Rule, figure: Figure | None) -> Tested | None:
    if figure is None or figure.count == 0:
        return None
    if rule.value is not None:
        return None if Arm.CANDIDATE not in figure.values else _against_bar(rule, figure, rule.value)
    arm = Arm(rule.comparator)
    difference = figure.differences.get(arm)
    if difference is None:
        return None
    bar = {">": rule.margin, ">=": -rule.margin, "<": -rule.margin, "<=": rule.margin}[rule.op]
    seen = difference.resampled[~np.isnan(difference.resampled)]
    if figure.exact and bar == 0 and rule.op in ("<", ">"):
        p_value = mcnemar(difference.only_ours, difference.only_theirs)
    elif figure.pairs_decide(arm):
        p_value = paired_p_value(difference.only_ours, difference.only_theirs, figure.count, bar)
    else:
        p_value = bootstrap_p_value(_against(rule.op, seen, bar), len(seen))
    interval = figure.interval_of_difference(arm, rule.alpha)
    return Tested(figure.count, figure.groups, difference.value, bar, interval, p_value)


def _against_bar(rule: Rule, figure: Figure, bar: float) -> Tested:
    value, interval = figure.values[Arm.CANDIDATE], figure.interval(Arm.CANDIDATE, rule.alpha)
    if figure.binary and bar == 1 and rule.op == ">=":
        p_value = (
            0.0 if value == 1 else 1.0
        )  # no number of cases shows that none would be wrong: all that are must do
    elif figure.exact:
        p_value = share_p_value(value * figure.count, figure.count, bar)
    else:
        seen = figure.resampled[Arm.CANDIDATE]
        p_value = bootstrap_p_value(_against(rule.op, seen, bar), len(seen))
    return Tested(figure.count, figure.groups, value, bar, interval, p_value)


def _against(op: str, values: Array, bar: float) -> int:
    """Count the resamples in which the rule does not hold."""
    wrong = {
        ">": values <= bar + _EXACT,
        ">=": values < bar - _EXACT,
        "<": values >= bar - _EXACT,
        "<=": values > bar + _EXACT,
    }[op]
    return int(wrong.sum())


def _holds(op: str, value: float, bar: float) -> bool:
    return {
        ">": value > bar + _EXACT,
        ">=": value >= bar - _EXACT,
        "<": value < bar - _EXACT,
        "<=": value <= bar + _EXACT,
    }[op]


def _result(
    rule: Rule, tested: Tested | None, adjusted: float | None, present: Sequence[Arm], doubts: Mapping[str, str]
) -> RuleResult:
    if rule.arm is not None and rule.arm not in present:
        return RuleResult(rule, Outcome.PASS, f"{rule.metric}: no other version is in production to compare with.")
    if tested is None:
        return RuleResult(
            rule,
            Outcome.INCONCLUSIVE,
            f"{rule.metric} in {rule.slice!r} was not measured; see the report for its metrics.",
        )
    told = _told(rule, tested, adjusted)
    if rule.metric in doubts:
        return RuleResult(rule, Outcome.INCONCLUSIVE, f"{told} But {doubts[rule.metric]}.", tested, adjusted)
    if tested.count < rule.min_n:
        few = f"{told} {tested.count} cases are too few: the rule wants {rule.min_n}."
        return RuleResult(rule, Outcome.INCONCLUSIVE, few, tested, adjusted)
    if tested.groups < min(_LEAST_GROUPS, tested.count):
        few = f"{told} {tested.groups} groups of cases are too few: drawn as a whole, {_LEAST_GROUPS} can tell."
        return RuleResult(rule, Outcome.INCONCLUSIVE, few, tested, adjusted)
    p_value = tested.p_value if adjusted is None else adjusted
    if not _holds(rule.op, tested.estimate, tested.bar):
        return RuleResult(rule, Outcome.FAIL, f"{told} {_failure(rule, tested)}", tested, adjusted)
    if p_value <= rule.alpha:
        return RuleResult(rule, Outcome.PASS, told, tested, adjusted)
    return RuleResult(rule, Outcome.INCONCLUSIVE, f"{told} {_wish(rule, tested, p_value)}", tested, adjusted)


def _told(rule: Rule, tested: Tested, adjusted: float | None) -> str:
    what = "" if rule.slice == "all" else f" in {rule.slice}"
    against = f"against the bar of {rule.value:g}" if rule.value is not None else f"against the {rule.comparator}"
    sign = "" if rule.value is not None else "+"
    figure, low, high = (
        format(one, f"{sign}.3f") for one in (tested.estimate, tested.interval.low, tested.interval.high)
    )
    p_value = tested.p_value if adjusted is None else adjusted
    groups = "" if tested.groups == tested.count else f" in {tested.groups} groups"
    return (
        f"{rule.metric}{what}: {figure} {against} ({100 * (1 - rule.alpha):g} % interval {low} to {high}, "
        f"n = {tested.count}{groups}, p = {p_value:.2g})."
    )


def _failure(rule: Rule, tested: Tested) -> str:
    if rule.comparator == "absolute":
        return "That misses the bar."
    if rule.op in (">=", "<="):
        return f"That is worse than the {rule.comparator} by more than the margin of {rule.margin:g}."
    if rule.comparator == "base" and not _holds(rule.op, tested.estimate, 0):
        return "The prompt alone does as well: do not tune."
    return f"That is not better than the {rule.comparator}" + (
        f" by more than the margin of {rule.margin:g}." if rule.margin else "."
    )


def _wish(rule: Rule, tested: Tested, p_value: float) -> str:
    """Say about how many cases would tell, were the estimate the truth: certainty grows with their root."""
    if rule.comparator != "absolute" and rule.op in (">=", "<=") and rule.margin == 0:
        return "Without a `margin` only what is better passes, never what is as good."
    factor = p_value / tested.p_value if tested.p_value else 1.0  # of Holm
    seen, wanted = (-_NORMAL.inv_cdf(max(one, 1e-12) / 2) for one in (tested.p_value, rule.alpha / max(factor, 1)))
    if seen <= 0 or (ratio := (wanted / seen) ** 2) > _HOPELESS:
        return "The cases cannot tell."
    return f"The cases cannot tell; about {max(math.ceil(ratio * tested.count), tested.count + 1)} would."
