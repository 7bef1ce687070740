"""Citations that the server finds by itself, for answers without markers.

Knows an answer, the passages that its prompt held, and an embedder; nothing of prompts or the wire.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.records import Passage, Vectors

SUPPORT_THRESHOLD = 0.55
"""Support above which a sentence counts as taken from a passage."""

_COSINE_SHARE = 0.5
_MIN_WORDS = 4
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
_FENCED = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"\w+")
_LIST_MARK = re.compile(r"(?:[-*+>]|\d+[.)]|#{1,6})\s+")
_FILLER_WORDS = """
a an and any are as at be been but by can could did do does for from had has have he her his how i if in into
is it its may me must my no not of on or our she should so some such than that the their them then there these
they this those to up us was we were what when where which who will with would you your
"""
_FILLERS = frozenset(_FILLER_WORDS.split())


@dataclass(frozen=True, slots=True)
class Citation:
    """A range of the answer that rests on a passage.

    Attributes:
        index: which passage, counted from 0.
        start: first character in the answer's final text.
        end: character after the last.
    """

    index: int
    start: int
    end: int


def attribute(
    answer: str,
    passages: Sequence[Passage],
    embed: Callable[[Sequence[str]], Vectors],
    *,
    threshold: float = SUPPORT_THRESHOLD,
) -> list[Citation]:
    """Return for each sentence of `answer` the passage that supports it best, if one does.

    Support is the mean of two numbers: the cosine of sentence and passage, and the share of the sentence's
    telling words that the passage holds. A number that the passage does not hold halves it. Code, very
    short sentences and questions are left out. Embedding takes most of the time, so only those sentences are
    embedded that their words leave a chance.
    """
    if not passages:
        return []
    vocabularies = [_words(f"{passage.title} {passage.heading} {passage.text}") for passage in passages]
    likely = []
    for start, end in _sentences(answer):
        words = _words(answer[start:end])
        overlaps = [_Overlap.of(words, vocabulary) for vocabulary in vocabularies]
        if max(overlap.support(1.0) for overlap in overlaps) >= threshold:
            likely.append((start, end, overlaps))
    if not likely:
        return []
    meanings = embed([answer[start:end] for start, end, _ in likely])
    citations = []
    for (start, end, overlaps), cosines in zip(likely, meanings @ _vectors(passages, embed).T, strict=True):
        supports = [overlap.support(float(cosine)) for overlap, cosine in zip(overlaps, cosines, strict=True)]
        best = int(np.argmax(supports))
        if supports[best] >= threshold:
            citations.append(Citation(best, start, end))
    return citations


@dataclass(frozen=True, slots=True)
class _Overlap:
    """What the words of a sentence and a passage have in common.

    Attributes:
        shared: share of the sentence's telling words that the passage holds.
        foreign_number: whether the sentence has a number that the passage does not hold.
    """

    shared: float
    foreign_number: bool

    @classmethod
    def of(cls, words: frozenset[str], vocabulary: frozenset[str]) -> "_Overlap":
        foreign = words - vocabulary
        shared = 1 - len(foreign) / len(words) if words else 0.0
        return cls(shared, any(word[0].isdigit() for word in foreign))

    def support(self, cosine: float) -> float:
        support = _COSINE_SHARE * max(cosine, 0.0) + (1 - _COSINE_SHARE) * self.shared
        return support / 2 if self.foreign_number else support


def _sentences(answer: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of sentences that could be cited, without list marks and outer white space."""
    prose_start = 0
    for fence in [*_FENCED.finditer(answer), None]:
        prose_end = fence.start() if fence else len(answer)
        cuts = [(cut.start(), cut.end()) for cut in _SENTENCE_END.finditer(answer, prose_start, prose_end)]
        start = prose_start
        for cut_start, cut_end in [*cuts, (prose_end, prose_end)]:
            yield from _trimmed(answer, start, cut_start)
            start = cut_end
        prose_start = fence.end() if fence else prose_end


def _trimmed(answer: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    text = answer[start:end]
    start += len(text) - len(text.lstrip())
    end -= len(text) - len(text.rstrip())
    if mark := _LIST_MARK.match(answer, start, end):
        start = mark.end()
    text = answer[start:end]
    if len(_WORD.findall(text)) >= _MIN_WORDS and not text.endswith("?"):
        yield start, end


def _vectors(passages: Sequence[Passage], embed: Callable[[Sequence[str]], Vectors]) -> Vectors:
    stored = [passage.vector for passage in passages if passage.vector is not None]
    if len(stored) == len(passages):
        return np.stack(stored)
    return embed([f"{passage.title}\n{passage.text}" for passage in passages])


def _words(text: str) -> frozenset[str]:
    """Return the telling words of a text, cut to their first six letters: a stem good enough to compare."""
    return frozenset(
        word if word[0].isdigit() else word[:6] for word in _WORD.findall(text.lower()) if word not in _FILLERS
    )
