"""The lexical leg: what the words of a question weigh, and which of them are identifiers. Knows no index's inside.

Text of a user is never query syntax: it becomes tokens, and each of them is a term.
"""

import heapq
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.live_words import LiveWords, best
from retrieval.vector_index import Rows, among
from retrieval.word_index import tokens

MAX_TERMS = 32
"""Of a longer text, such as a pasted log, the words count that tell most."""
_MAX_IDENTIFIERS = 10
_RARE_SHARE = 0.01
_RARE_FLOOR = 3
_LOOKED_THROUGH = 10_000
"""Above so many holders of its rarest part nobody looks for a compound, which would take longer than all else."""
_LEAST_WEIGHT = 1e-6

_WORD = re.compile(r"[^\W_]+")
_COMPOUND = re.compile(r"[^\W_]+(?:[-_./:#][^\W_]+)+")
_IDENTIFIER = re.compile(r"(?=.*\d)(?=.*[^\W\d])[\w\-./:#]{3,}|\d{5,}|\d+(?:[-./:#]\d+)+")


@dataclass(frozen=True, slots=True)
class Searched:
    """The words of a store that is searched.

    Attributes:
        allowed: if given, the only passages that may be found; ascending.
    """

    words: LiveWords
    allowed: Rows | None = None


@dataclass(frozen=True, slots=True)
class LexicalHits:
    """What the lexical leg found.

    Attributes:
        scores: row → BM25, higher is better.
        exact: the rows that hold a rare identifier of the query (such as `ERR-4711`) as it stands there.
    """

    scores: dict[int, float]
    exact: frozenset[int]


def search(
    stores: Sequence[Searched], query: str, count: int, known: Collection[int] = frozenset()
) -> LexicalHits:
    """Return the best `count` passages by BM25 over all stores together, and as many that hold an identifier.

    How rare a word is is told by all that is searched, so that scores of one store can be compared with those of
    another.

    Args:
        stores: what is searched.
        query: the words of a person.
        count: how many at most.
        known: passages of these stores that were found otherwise; those that hold a word of the query are
            returned with their BM25, too.
    """
    total = sum(store.words.count for store in stores)
    weights = _weights(stores, query, total)
    if not weights:
        return LexicalHits({}, frozenset())
    hits = [best([one.words.search(weights, count, one.allowed) for one in stores], count)]
    holders = _holders(stores, query, max(_RARE_FLOOR, int(total * _RARE_SHARE)))
    if len(holders):
        narrowed = [holders if one.allowed is None else holders[among(holders, one.allowed)] for one in stores]
        found = [one.words.search(weights, count, rows) for one, rows in zip(stores, narrowed, strict=True)]
        hits.append(best(found, count))
    if len(missing := np.array(sorted({*known}.difference(*(part.rows.tolist() for part in hits))), np.int64)):
        hits += [one.words.search(weights, len(missing), missing) for one in stores]
    scores = {int(row): float(score) for part in hits for row, score in zip(part.rows, part.scores, strict=True)}
    return LexicalHits(scores, frozenset(holders.tolist()) & scores.keys())


def _weights(stores: Sequence[Searched], query: str, total: int) -> dict[str, float]:
    """Return token → inverse document frequency, of those tokens that tell most.

    What half of all passages hold weighs next to nothing, as in the formula of Robertson and Spärck Jones.
    """
    weights: dict[str, float] = {}
    for token in dict.fromkeys(tokens(query)):
        if held := _frequency(stores, token):
            there = max(total, held)
            weights[token] = max(_LEAST_WEIGHT, math.log((there - held + 0.5) / (held + 0.5)))
    return dict(heapq.nlargest(MAX_TERMS, weights.items(), key=lambda item: item[1]))


def _holders(stores: Sequence[Searched], query: str, rare: int) -> Rows:
    """Return the passages that hold an identifier of the query, of those that few hold."""
    phrases = {tuple(tokens(word)) for word in _words(query) if _IDENTIFIER.fullmatch(word)} - {()}
    rarest = {phrase: min(_frequency(stores, token) for token in phrase) for phrase in sorted(phrases)}
    telling = [one for one, held in rarest.items() if 0 < held <= (rare if len(one) == 1 else _LOOKED_THROUGH)]
    found = [np.empty(0, np.int64)]
    for phrase in heapq.nsmallest(_MAX_IDENTIFIERS, telling, rarest.__getitem__):
        holders = np.concatenate([one.words.holders(phrase, rare + 1) for one in stores])
        if len(holders) <= rare:
            found.append(holders)
    return np.unique(np.concatenate(found))


def _frequency(stores: Sequence[Searched], token: str) -> int:
    return sum(store.words.frequency(token) for store in stores)


def _words(query: str) -> Iterator[str]:
    for match in _COMPOUND.finditer(query):
        if any(character.isdigit() for character in match[0]):
            yield match[0]
    for match in _WORD.finditer(query):
        yield match[0]
