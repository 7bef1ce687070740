"""The gate: what passes, what fails, and what cannot be told."""

import random
from typing import Any

import pytest

from adapters.evaluation import Arm
from tests.adapters.evaluation.graded import result, rule

SLIPPING = {Arm.BASE: 0.99, Arm.CANDIDATE: 0.96}


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


def test_equal_answers_are_not_worse_by_a_margin_and_cannot_show_that_they_are_not_worse_at_all() -> None:
    assert _gate(70, 70, rule(op=">=", margin=0.1))["outcome"] == "pass"
    gate = _gate(70, 70, rule(op=">="))
    assert gate["outcome"] == "inconclusive"
    assert gate["reason"].endswith("Without a `margin` only what is better passes, never what is as good.")


def test_a_few_cases_that_all_went_well_do_not_show_that_one_in_a_hundred_would_not_go_wrong() -> None:
    assert _gate(30, 30, rule(op=">=", margin=0.01), count=30)["outcome"] == "inconclusive"


def test_a_version_that_is_worse_than_the_margin_allows_hardly_ever_passes() -> None:
    """99 of a hundred against 96, with a margin of two points and 60 cases: nominally 2.5 in a hundred."""
    chance, passed = random.Random(2), 0
    for _ in range(60):
        rights = {arm: [chance.random() < p for _ in range(60)] for arm, p in SLIPPING.items()}
        passed += result(rights, [rule(op=">=", margin=0.02)])["gate"]["outcome"] == "pass"
    assert passed <= 4


def test_just_as_much_worse_as_the_margin_allows_is_no_failure() -> None:
    rights = {Arm.BASE: [True] * 25 + [False] * 25, Arm.CANDIDATE: [True] * 24 + [False] * 26}
    gate = result(rights, [rule(op=">=", margin=0.02)])["gate"]  # 0.48 - 0.50 is less than -0.02 to a computer
    assert gate["outcome"] == "inconclusive"


@pytest.mark.parametrize(("candidate", "outcome"), [(40, "pass"), (39, "fail")])
def test_a_bar_of_one_wants_every_case_to_be_right(candidate: int, outcome: str) -> None:
    assert _gate(0, candidate, rule("absolute", ">=", value=1), count=40)["outcome"] == outcome


def test_what_is_no_better_is_not_called_worse() -> None:
    same = {arm: _rights(100, 50) for arm in Arm}
    reason = result(same, [rule("current", ">")])["gate"]["reason"]
    assert reason.endswith("That is not better than the current.")
    better = same | {Arm.CANDIDATE: _rights(100, 52)}
    reason = result(better, [rule("base", ">", margin=0.05)])["gate"]["reason"]
    assert reason.endswith("That is not better than the base by more than the margin of 0.05.")


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
    assert "no other version is in production" in gate["rules"][1]["reason"]


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
    assert "n = 80 in 2 groups" in together["reason"]


def test_groups_in_which_nothing_differs_are_no_proof_that_nothing_ever_does() -> None:
    rights = {Arm.BASE: [True] * 60, Arm.CANDIDATE: [True] * 60}
    groups = [f"group {place % 15}" for place in range(60)]
    told = result(rights, [rule(op=">=", margin=0.01)], groups)
    assert told["gate"]["outcome"] == "inconclusive"
    (shown,) = [one for one in told["metrics"] if (one["metric"], one["slice"]) == ("set.exact", "all")]
    assert shown["arms"]["base"]["low"] == pytest.approx(0.796, abs=0.001)  # Wilson's of 15 of 15
    assert result(rights, [rule(op=">=", margin=0.2)], groups)["gate"]["outcome"] == "pass"


def test_a_few_groups_prove_nothing_however_many_cases_they_have() -> None:
    rights = {Arm.BASE: [False] * 90, Arm.CANDIDATE: [True] * 90}
    few = result(rights, [rule()], [f"group {place % 3}" for place in range(90)])["gate"]
    assert few["outcome"] == "inconclusive"
    assert few["reason"].endswith("3 groups of cases are too few: drawn as a whole, 10 can tell.")
    assert result(rights, [rule()], [f"group {place % 15}" for place in range(90)])["gate"]["outcome"] == "pass"


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
