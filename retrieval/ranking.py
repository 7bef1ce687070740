"""From two lists of hits to the few passages that are shown: fusion, near-duplicates, a cap per document.

Pure functions over numbers and texts.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from retrieval.records import Passage

_MOST_OF_ONE = 0.75
"""Share of the passages shown that one document may give, while others have something to say."""
_SAME_WORDS = 0.9
_WORD = re.compile(r"\w+")


def fused(cosines: Mapping[int, float], lexical: Mapping[int, float], dense_weight: float) -> dict[int, float]:
    """Return row → score in 0..1: the weighted sum of both legs, each spread over 0..1.

    The cosines from the least to the greatest among them; BM25 from 0, which is its least wherever it is counted
    (Bruch et al., An Analysis of Fusion Functions for Hybrid Retrieval, 2022: the theoretical minimum).

    Args:
        cosines: the cosine of every candidate of either leg.
        lexical: BM25 of every candidate that holds a word of the question; the others count 0.
        dense_weight: share of the cosines; the rest is the words'.
    """
    dense = _spread(cosines)
    most = max(lexical.values(), default=0.0) or 1.0
    return {row: dense_weight * dense[row] + (1 - dense_weight) * lexical.get(row, 0.0) / most for row in cosines}


def blended(rankings: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return row → the mean of its scores over several rankings; where one has no such row, it counts 0."""
    rows = {row for ranking in rankings for row in ranking}
    return {row: sum(ranking.get(row, 0.0) for ranking in rankings) / len(rankings) for row in rows}


def varied(candidates: Sequence[Passage], count: int, per_document: int | None = None) -> tuple[Passage, ...]:
    """Return the first `count` that repeat no earlier one, at most `per_document` of each document.

    By default that is three quarters of them. Where the others leave places empty, what stood back for them is
    shown after all. The order stays.
    """
    most = per_document or math.ceil(_MOST_OF_ONE * count)
    chosen: list[int] = []
    back: list[int] = []
    vocabularies: list[set[str]] = []
    by_document: Counter[str] = Counter()
    for place, passage in enumerate(candidates):
        if len(chosen) == count:
            break
        words = set(_WORD.findall(passage.text.lower()))
        if any(_repeats(words, other) for other in vocabularies):
            continue
        vocabularies.append(words)
        crowded = by_document[passage.document_id] == most
        by_document[passage.document_id] += not crowded
        (back if crowded else chosen).append(place)
    return tuple(candidates[place] for place in sorted(chosen + back[: count - len(chosen)]))


def _spread(scores: Mapping[int, float]) -> dict[int, float]:
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high <= low:
        return dict.fromkeys(scores, 1.0)
    return {row: (score - low) / (high - low) for row, score in scores.items()}


def _repeats(ours: set[str], theirs: set[str]) -> bool:
    """Tell whether two texts say the same: nearly all words shared, and every number equal."""
    return len(ours & theirs) >= _SAME_WORDS * len(ours | theirs) and not any(
        character.isdigit() for word in ours ^ theirs for character in word
    )
