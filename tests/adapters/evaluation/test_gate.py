"""The gate: what passes, what fails, and what cannot be told."""

import random
from typing import Any

import pytest

from adapters.evaluation import Arm
from tests.adapters.evaluation.graded import result, rule


def _rights(count: int, right: int) -> list[bool]:
    """Return so many right answers, spread evenly."""
    return [(place + 1) * right // count > place * right // count for place in range(count)]


def _gate(base: int, candidate: int, *rules: dict[str, Any], count: int = 100) -> dict[str, Any]:
    rights = {Arm.BASE: _rights(count, base), Arm.CANDIDATE: _rights(count, candidate)}
    gate: dict[str, Any] = result(rights, rules)["gate"]
    return gate


def test_what_is_shown_to_be_better_passes() -> None:
    gate = _gate(20, 80, rule())
    assert gate["outcome"] == "pass"
    assert "+0.600 against the base" in gate["reason"]


def test_a_prompt_that_does_as_well_fails_the_version() -> None:
    gate = _gate(80, 80, rule())
    assert gate["outcome"] == "fail"
    assert gate["reason"].endswith("The prompt alone does as well: do not tune.")


def test_a_small_advantage_cannot_be_told_and_the_reason_says_how_many_cases_would() -> None:
    gate = _gate(50, 54, rule())
    assert gate["outcome"] == "inconclusive"
    assert "would." in gate["reason"]


def test_too_few_cases_never_pass() -> None:
    gate = _gate(0, 20, rule(min_n=30), count=20)
    assert gate["outcome"] == "inconclusive"
    assert "20 cases are too few: the rule wants 30." in gate["reason"]


@pytest.mark.parametrize(("candidate", "outcome"), [(90, "pass"), (91, "pass"), (60, "fail")])
def test_not_worse_than_by_a_margin(candidate: int, outcome: str) -> None:
    assert _gate(90, candidate, rule(op=">=", margin=0.1))["outcome"] == outcome


@pytest.mark.parametrize(("candidate", "outcome"), [(95, "pass"), (70, "fail"), (82, "inconclusive")])
def test_a_bar_is_judged_by_the_lower_bound(candidate: int, outcome: str) -> None:
    assert _gate(10, candidate, rule("absolute", ">=", value=0.8))["outcome"] == outcome


def test_equal_answers_are_not_worse_even_without_a_margin() -> None:
    assert _gate(70, 70, rule(op=">="))["outcome"] == "pass"


def test_where_less_is_better_more_fails() -> None:
    gate = _gate(50, 50, {"metric": "set.latency", "comparator": "base", "op": "<=", "margin": 0.5})
    assert gate["outcome"] == "fail"
    loose = _gate(50, 50, {"metric": "set.latency", "comparator": "base", "op": "<=", "margin": 1.5})
    assert loose["outcome"] == "pass"


def test_one_failed_rule_fails_and_an_advisory_one_only_speaks() -> None:
    bar = rule("absolute", ">=", value=0.99)
    assert _gate(20, 80, rule(), bar)["outcome"] == "fail"
    advised = _gate(20, 80, rule(), bar | {"required": False})
    assert advised["outcome"] == "pass"
    assert "Advisory: set.exact" in advised["reason"]


def test_a_rule_on_the_current_version_passes_where_there_is_none() -> None:
    gate = _gate(20, 80, rule(), rule("current", ">="))
    assert gate["outcome"] == "pass"
    assert "no version is in production" in gate["rules"][1]["reason"]


def test_a_metric_that_was_not_measured_is_inconclusive() -> None:
    gate = _gate(20, 80, rule(), {"metric": "set.bleu", "comparator": "base", "op": ">"})
    assert gate["outcome"] == "inconclusive"
    assert "set.bleu in 'all' was not measured" in gate["reason"]


def test_a_rule_on_a_slice_sees_that_slice_alone() -> None:
    gate = _gate(20, 80, rule(slice="tag:even"))
    assert gate["rules"][0]["n"] == 50


def test_many_rules_are_corrected_together() -> None:
    """A p-value of 0.03 is enough for one rule, and not for one of five."""
    rights = {Arm.BASE: [False] * 60, Arm.CANDIDATE: [True] * 6 + [False] * 54}  # McNemar: 2 / 2**6
    assert result(rights, [rule()])["gate"]["outcome"] == "pass"
    assert result(rights, [rule()] * 5)["gate"]["outcome"] == "inconclusive"


def test_related_cases_count_as_one() -> None:
    """Forty copies of one question that went well prove nothing."""
    rights = {Arm.BASE: [False] * 80, Arm.CANDIDATE: [True] * 40 + [False] * 40}
    alone = result(rights, [rule()])["gate"]
    groups = ["same"] * 40 + ["other"] * 40
    together = result(rights, [rule()], groups)["gate"]
    assert (alone["outcome"], together["outcome"]) == ("pass", "inconclusive")


def test_without_required_rules_nothing_decides() -> None:
    gate = _gate(20, 80, rule(required=False))
    assert gate["outcome"] == "inconclusive"
    assert "no required rule" in gate["reason"]


def test_equals_pass_rarely() -> None:
    chance, passed = random.Random(1), 0
    for _ in range(40):
        rights = {arm: [chance.random() < 0.5 for _ in range(60)] for arm in (Arm.BASE, Arm.CANDIDATE)}
        passed += result(rights, [rule()])["gate"]["outcome"] == "pass"
    assert passed <= 4
