"""The measures of the quality benchmark, on rankings small enough to reckon by hand."""

import math

import pytest

from benchmarks.judged import Span
from benchmarks.relevance import coverage, ndcg, paired_difference, recall


def test_ndcg_discounts_by_the_logarithm_of_the_place() -> None:
    assert ndcg(["x", "a", "y", "b"], {"a": 1, "b": 1}) == pytest.approx(
        (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
    )
    assert ndcg(["a", "b"], {"a": 1, "b": 1}) == 1.0
    assert ndcg([*"0123456789", "a"], {"a": 1}) == 0.0


def test_recall_counts_relevant_documents_among_the_first() -> None:
    assert recall(["x", "a"], {"a": 1, "b": 2}) == 0.5


def test_coverage_cuts_the_last_passage_at_the_budget_and_counts_overlap_once() -> None:
    gold = [Span("d", 10, 20)]
    assert coverage([Span("d", 0, 15), Span("d", 5, 18)], gold, 100) == 0.8
    assert coverage([Span("d", 0, 15), Span("d", 5, 18)], gold, 12) == pytest.approx(0.2)
    assert coverage([Span("e", 0, 15)], gold, 100) == 0.0


def test_difference_that_every_question_shares_is_sure() -> None:
    gap = paired_difference([0.5, 0.7, 0.9], [0.4, 0.6, 0.8])
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.1, 0.1, 0.1))
