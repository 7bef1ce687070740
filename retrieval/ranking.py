"""From two lists of hits to the few passages that are shown: fusion, near-duplicates, a cap per document.

Pure functions over numbers and texts.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from retrieval.records import Passage

MAX_PER_DOCUMENT = 3
_SAME_WORDS = 0.9
_WORD = re.compile(r"\w+")


def fused(cosines: Mapping[int, float], lexical: Mapping[int, float], dense_weight: float) -> dict[int, float]:
    """Return row → score in 0..1: the weighted sum of both legs, each spread over 0..1 (min-max).

    Args:
        cosines: the cosine of every candidate of either leg.
        lexical: BM25 of those candidates that the lexical leg found; the others count 0.
        dense_weight: share of the cosines; the rest is the words'.
    """
    dense = _spread(cosines)
    words = _spread(lexical)
    return {row: dense_weight * dense[row] + (1 - dense_weight) * words.get(row, 0.0) for row in cosines}


def blended(rankings: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return row → the mean of its scores over several rankings; where one has no such row, it counts 0."""
    rows = {row for ranking in rankings for row in ranking}
    return {row: sum(ranking.get(row, 0.0) for ranking in rankings) / len(rankings) for row in rows}


def varied(candidates: Sequence[Passage], count: int, per_document: int = MAX_PER_DOCUMENT) -> tuple[Passage, ...]:
    """Return the first `count` that repeat no earlier one, at most `per_document` of each document."""
    chosen: list[Passage] = []
    vocabularies: list[set[str]] = []
    by_document: Counter[str] = Counter()
    for passage in candidates:
        if len(chosen) == count:
            break
        if by_document[passage.document_id] == per_document:
            continue
        words = set(_WORD.findall(passage.text.lower()))
        if not any(_repeats(words, other) for other in vocabularies):
            chosen.append(passage)
            vocabularies.append(words)
            by_document[passage.document_id] += 1
    return tuple(chosen)


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
