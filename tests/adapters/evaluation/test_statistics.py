"""The statistics of gates, against scipy, statsmodels, scikit-learn and published values."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap
from sklearn.metrics import cohen_kappa_score, f1_score
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from adapters.evaluation.graders.labels import _counts, macro_f1
from adapters.evaluation.measure import mean
from adapters.evaluation.statistics import (
    Draws,
    holm,
    kappa,
    mcnemar,
    paired_interval,
    paired_p_value,
    share_p_value,
    wilson,
)
from adapters.evaluation.statistics.paired import bootstrap_p_value, interval_of

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(deadline=None)
@given(COUNTS, st.sampled_from([0.01, 0.05, 0.1]))
def test_wilsons_interval_is_that_of_statsmodels(counts: tuple[int, int], alpha: float) -> None:
    right, count = counts
    ours = wilson(right, count, alpha)
    low, high = proportion_confint(right, count, alpha, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=1e-9)


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263 is 0.2553 to 0.3662, 0 of 20 is 0 to 0.1611."""
    known, none = wilson(81, 263), wilson(0, 20)
    assert (round(known.low, 4), round(known.high, 4)) == (0.2553, 0.3662)
    assert (none.low, round(none.high, 4)) == (0.0, 0.1611)


@settings(deadline=None)
@given(COUNTS, st.floats(0.01, 0.99))
def test_the_test_of_a_share_agrees_with_its_interval(counts: tuple[int, int], bar: float) -> None:
    right, count = counts
    inside = wilson(right, count).low <= bar <= wilson(right, count).high
    assert inside == (share_p_value(right, count, bar) >= 0.05)


def test_the_test_of_a_share_is_the_score_test_of_statsmodels() -> None:
    _, theirs = proportions_ztest(70, 100, 0.6, prop_var=0.6)
    assert share_p_value(70, 100, 0.6) == pytest.approx(theirs)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_exact(ours: int, theirs: int) -> None:
    expected = their_mcnemar([[9, ours], [theirs, 9]], exact=True).pvalue
    assert mcnemar(ours, theirs) == pytest.approx(min(1.0, float(expected)))
    if ours + theirs:
        assert mcnemar(ours, theirs) == pytest.approx(binomtest(ours, ours + theirs).pvalue)


@settings(deadline=None, max_examples=20)  # theirs takes a quarter of a second
@given(P_VALUES)
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abt"), st.sampled_from("abt")), min_size=2, max_size=60))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    ours = kappa(pairs)
    if len({label for pair in pairs for label in pair}) == 1:
        assert ours is None
    else:
        assert ours == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))


def test_kappa_is_the_published_one() -> None:
    """Cohen's kappa of 20 yes-yes, 5 yes-no, 10 no-yes and 15 no-no is 0.4."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert kappa(pairs) == pytest.approx(0.4)
    assert kappa([]) is None


def test_the_bootstraps_interval_is_near_that_of_scipy() -> None:
    scores = np.random.default_rng(1).random(80)
    rows = np.column_stack([scores, np.ones(80)])
    ours = interval_of(mean(Draws(range(80), seed=3).sums(rows)))
    theirs = bootstrap((scores,), np.mean, n_resamples=10_000, method="percentile", rng=5).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.005)


def test_items_of_one_group_are_drawn_together() -> None:
    """Ten copies of each of eight items tell no more than the eight."""
    scores = np.repeat([0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], 10)
    rows = np.column_stack([scores, np.ones(80)])
    groups = [place // 10 for place in range(80)]
    alone, together = (interval_of(mean(Draws(g).sums(rows))) for g in (range(80), groups))
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_the_same_seed_gives_the_same_draws() -> None:
    rows = np.random.default_rng(0).random((30, 3))
    first, again, other = (Draws(range(30), seed).sums(rows) for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()


def test_draws_of_many_items_come_in_blocks_and_none_is_lost() -> None:
    rows = np.ones((5_000, 1))
    assert Draws(range(5_000), resamples=900).sums(rows).tolist() == [[5_000.0]] * 900


def test_a_bootstrap_never_claims_more_than_its_resamples_can() -> None:
    assert bootstrap_p_value(0, 9_999) == pytest.approx(0.0002)
    assert bootstrap_p_value(9_999, 9_999) == 1.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcx")), min_size=1, max_size=50))
def test_macro_f1_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    wanted, said = zip(*pairs, strict=True)
    classes = sorted(set(wanted))
    rows = np.array([_counts(classes, one, other) for one, other in pairs])
    expected = f1_score(wanted, said, labels=classes, average="macro", zero_division=0)
    assert macro_f1(rows.sum(axis=0, keepdims=True))[0] == pytest.approx(expected)


def test_two_equal_versions_are_rarely_told_apart() -> None:
    """Over 200 pairs of equals, the corrected test finds a difference in no more than a tenth."""
    chance = random.Random(0)
    found = 0
    for _ in range(200):
        pairs = [(chance.random() < 0.6, chance.random() < 0.6) for _ in range(60)]
        p_value = mcnemar(sum(a > b for a, b in pairs), sum(a < b for a, b in pairs))
        found += p_value <= 0.05
    assert found <= 20


def test_the_interval_of_two_shares_of_the_same_cases_is_the_published_one() -> None:
    """Agresti and Min 2005: 1,144 people asked twice, 86 said yes only before and 150 only after."""
    found = paired_interval(86, 150, 1144)
    assert (round(found.low, 3), round(found.high, 3)) == (-0.082, -0.030)
    assert paired_p_value(86, 150, 1144, 0) == pytest.approx(0.00003, abs=0.00002)
    assert paired_p_value(86, 150, 1144, found.low) == pytest.approx(0.05)
