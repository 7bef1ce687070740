"""Paired comparison of two personas on the same items. Pure functions; knows no personas."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much more often `ours` is right than `theirs`.

    Attributes:
        difference: share of right answers, ours minus theirs.
        low: lower end of the 95 % interval of the difference.
        high: upper end of it.
        only_ours: items that only ours got right, or where it has more credit.
        only_theirs: the same of theirs.
        p_value: exact two-sided McNemar test.
    """

    difference: float
    low: float
    high: float
    only_ours: int
    only_theirs: int
    p_value: float


def compare(ours: Sequence[float], theirs: Sequence[float], *, seed: int = 0) -> Comparison:
    """Compare answers to the same items, in the same order: right or wrong, or a credit between 0 and 1.

    The interval is a percentile bootstrap over items (Efron and Tibshirani 1993, chapter 13).

    Raises:
        ValueError: there are no items, or not the same number.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"A paired comparison needs the same items on both sides: {len(ours)}, {len(theirs)}.")
    pairs = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    drawn = np.random.default_rng(seed).integers(0, len(pairs), size=(_RESAMPLES, len(pairs)))
    low, high = np.quantile(pairs[drawn].mean(axis=1), [0.025, 0.975])
    only_ours, only_theirs = int((pairs > 0).sum()), int((pairs < 0).sum())
    return Comparison(
        difference=float(pairs.mean()),
        low=float(low),
        high=float(high),
        only_ours=only_ours,
        only_theirs=only_theirs,
        p_value=mcnemar(only_ours, only_theirs),
    )


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """Return the exact two-sided p-value of McNemar's test on the discordant pairs."""
    total, fewer = only_ours + only_theirs, min(only_ours, only_theirs)
    tail: float = sum(math.comb(total, count) for count in range(fewer + 1)) / 2**total
    return min(1.0, 2 * tail)


def macro_f1(expected: Sequence[str], said: Sequence[str]) -> float:
    """Return the mean F1 over the expected classes; an answer outside them is a miss and no class."""
    scores = []
    for name in sorted(set(expected)):
        hits = sum(1 for right, word in zip(expected, said, strict=True) if right == word == name)
        scores.append(2 * hits / (expected.count(name) + said.count(name)) if hits else 0.0)
    return sum(scores) / len(scores)
