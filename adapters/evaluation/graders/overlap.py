"""Graders of generated text by what it shares with references: BLEU, chrF and ROUGE-L.

Owns sacrebleu, which is loaded with the first text that is graded.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from adapters.evaluation.case import Case
from adapters.evaluation.graders.grader import HUNDRED, Metric, Options, Pair
from adapters.evaluation.measure import Measured, average
from adapters.evaluation.statistics.paired import Array

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacreMetric

_WORD = re.compile(r"[^\W_]+")


class _Overlap(Options):
    def needs(self, case: Case) -> str | None:
        """Want a reference."""
        return None if case.expected else "expected"


class _OfHundred(_Overlap):
    def metrics(self) -> Mapping[str, Metric]:
        """Return the score, which goes to a hundred."""
        return {self.metric: HUNDRED}


class Bleu(_OfHundred):
    """BLEU of the whole set, 0 to 100 (Papineni 2002; Post 2018), with sacrebleu's signature."""

    kind: Literal["bleu"]

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield corpus BLEU; a single answer is told by its sentence BLEU."""
        from sacrebleu.metrics import BLEU

        yield _corpus(self.metric, BLEU(), BLEU(effective_order=True), pairs)


class ChrF(_OfHundred):
    """chrF of the whole set, 0 to 100 (Popović 2015), with sacrebleu's signature."""

    kind: Literal["chrf"]

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield corpus chrF; a single answer is told by its sentence chrF."""
        from sacrebleu.metrics import CHRF

        yield _corpus(self.metric, CHRF(), CHRF(), pairs)


class RougeL(_Overlap):
    """ROUGE-L: F1 of the longest common subsequence of words, of the best reference (Lin 2004), as a mean."""

    kind: Literal["rouge_l"]

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield the mean over the answers."""
        scores = [max(rouge_l(one, answer.text) for one in case.expected) for case, answer in pairs]
        yield average(self.metric, scores)


def rouge_l(reference: str, said: str) -> float:
    """Return the F1 of the longest common subsequence; words are runs of letters and digits, without case."""
    wanted, given = _WORD.findall(reference.lower()), _WORD.findall(said.lower())
    common = _longest_common(wanted, given)
    return 2 * common / (len(wanted) + len(given)) if common else 0.0


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    lengths = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for place, theirs in enumerate(other, start=1):
            here = lengths[place]
            lengths[place] = before + 1 if word == theirs else max(here, lengths[place - 1])
            before = here
    return lengths[-1]


def _corpus(name: str, corpus: "SacreMetric", sentence: "SacreMetric", pairs: Sequence[Pair]) -> Measured:
    most = max(len(case.expected) for case, _ in pairs)
    references = [
        [case.expected[place] if place < len(case.expected) else None for case, _ in pairs]
        for place in range(most)
    ]
    said = [answer.text for _, answer in pairs]
    corpus.corpus_score(said, references)  # so that the signature knows how many references there are
    rows = np.array(corpus._extract_corpus_statistics(said, references), dtype=float)
    scores = [
        sentence.sentence_score(text, case.expected).score for text, (case, _) in zip(said, pairs, strict=True)
    ]
    return Measured(name, rows, partial(_scored, corpus), tuple(scores), signature=str(corpus.get_signature()))


def _scored(metric: "SacreMetric", sums: Array) -> Array:
    return np.array([metric._compute_score_from_stats([int(one) for one in row]).score for row in sums])
