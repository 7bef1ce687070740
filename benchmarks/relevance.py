"""How good a ranking is: nDCG, recall, share of gold characters, and how sure a difference is. Pure functions."""

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.judged import Span
from benchmarks.sampling import Estimate

DEPTH = 10
_RESAMPLES = 4000


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], depth: int = DEPTH) -> float:
    """Return nDCG with linear gains, as trec_eval and BEIR count it."""
    gained = sum(grades.get(document, 0) / math.log2(place + 2) for place, document in enumerate(ranking[:depth]))
    ideal = sorted(grades.values(), reverse=True)[:depth]
    return gained / sum(grade / math.log2(place + 2) for place, grade in enumerate(ideal))


def recall(ranking: Sequence[str], grades: Mapping[str, int], depth: int = DEPTH) -> float:
    """Return the share of the relevant documents among the first."""
    return len(set(ranking[:depth]) & grades.keys()) / len(grades)


def coverage(found: Sequence[Span], gold: Sequence[Span], budget: int) -> float:
    """Return the share of gold characters within the first `budget` characters that were found."""
    seen: dict[str, set[int]] = {}
    left = budget
    for span in found:
        end = min(span.end, span.start + left)
        seen.setdefault(span.document, set()).update(range(span.start, end))
        left -= end - span.start
        if left <= 0:
            break
    wanted = {(span.document, place) for span in gold for place in range(span.start, span.end)}
    return sum(place in seen.get(document, ()) for document, place in wanted) / len(wanted)


def paired_difference(ones: Sequence[float], others: Sequence[float]) -> Estimate:
    """Return the mean of `one - other` over the questions, with a percentile bootstrap over questions."""
    differences = np.array(ones) - np.array(others)
    chance = np.random.default_rng(7)
    drawn = chance.integers(0, len(differences), (_RESAMPLES, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), (0.025, 0.975))
    return Estimate(statistics.fmean(differences), float(low), float(high))
