"""tantivy behind one small class: an inverted index over row numbers and the words of passages.

The only file that imports tantivy. Knows words and row numbers; nothing of stores or the database. Searches end
early (block-max WAND, Ding and Suel 2011): what cannot be among the best any more is passed over in blocks.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tantivy
from tantivy import Document, Index, Occur, Query, Searcher

from retrieval.vector_index import Rows, among

IN_MEMORY = 5_000
"""Up to so many passages an index is made faster than anybody waits for (0.3 s), and need not be saved."""

ANALYSIS = f"1 {version('tantivy')}"
"""Changes whenever an index of before would not fit any more."""

_LONGEST = 250  # bytes of a word; what is longer is no word, but data
_FEW_BYTES = 15_000_000  # of memory for a writer: the least that tantivy takes
_MANY_BYTES = 200_000_000  # enough for 100,000 passages in one segment
_ROWS = "rows.npy"
_SPARE = 1.5
"""Times as many as should suffice are looked at first: allowed rows may be rarer among the best than elsewhere."""
_AMONG_ALL = 20
"""Times as many as are wanted are looked at, before a search is kept to the allowed rows from its beginning."""


@dataclass(frozen=True, slots=True)
class PassageWords:
    """A passage by its row, with all its words."""

    row: int
    words: str


@dataclass(frozen=True, slots=True)
class WordHits:
    """The rows found and their scores, best first."""

    rows: Rows
    scores: npt.NDArray[np.float64]


class WordIndex:
    """Row numbers and words; many threads may search at once. What is found never changes.

    Attributes:
        rows: all row numbers, ascending.
    """

    def __init__(self, index: Index, rows: Rows) -> None:
        self._index = index
        index.config_reader("manual")  # nothing else reloads it
        index.reload()
        self._searcher: Searcher = index.searcher()
        self.rows = rows

    @classmethod
    def in_memory(cls, passages: Iterable[PassageWords]) -> "WordIndex":
        """Return an index of some thousand passages, whose rows ascend, kept in memory."""
        index = _opened(Index(_schema()))
        return cls(index, _fill(index, passages, _FEW_BYTES))

    @classmethod
    def write(cls, passages: Iterable[PassageWords], folder: Path) -> None:
        """Write an index of passages, whose rows ascend, into an empty folder, from which it is read.

        Raises:
            OSError: the disk is full, or the folder may not be written.
        """
        try:
            rows = _fill(_opened(Index(_schema(), str(folder))), passages, _MANY_BYTES)
        except ValueError as error:  # tantivy knows no other
            raise OSError(str(error)) from error
        np.save(folder / _ROWS, rows)

    @classmethod
    def read(cls, folder: Path) -> "WordIndex":
        """Read what `write` wrote, by mapping its files; the caller has checked the digest.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return cls(_opened(Index.open(str(folder))), np.load(folder / _ROWS))
        except ValueError as error:
            raise OSError(str(error)) from error

    def grown(self, passages: Iterable[PassageWords]) -> "WordIndex":
        """Return an index in memory with more passages, whose rows are above all of these.

        This one finds what it found before. Only the newest may grow, in one thread.
        """
        return WordIndex(self._index, np.concatenate([self.rows, _fill(self._index, passages, _FEW_BYTES)]))

    @property
    def count(self) -> int:
        """How many passages it holds."""
        return len(self.rows)

    def frequency(self, token: str) -> int:
        """Return how many passages hold a token."""
        return self._searcher.doc_freq("words", token)

    def search(
        self,
        weights: Mapping[str, float],
        count: int,
        allowed: Rows | None = None,
        barred: Rows | None = None,
    ) -> WordHits:
        """Return the best passages by BM25 (k1 1.2, b .75), best first.

        Args:
            weights: token → its weight, which takes the place of its inverse document frequency here.
            count: how many at most.
            allowed: if given, nothing else is found; ascending.
            barred: what is not found; ascending.
        """
        if allowed is not None and barred is not None:
            allowed, barred = np.setdiff1d(allowed, barred), None
        found = [one for one in map(self._weighed, weights, weights.values()) if one is not None]
        if not found or count < 1 or (allowed is not None and not len(allowed)):
            return _NONE
        query = Query.boolean_query([(Occur.Should, one) for one in found])
        asked = count + (0 if barred is None else min(len(barred), count))
        if allowed is not None:
            asked = math.ceil(_SPARE * count * max(1.0, self.count / len(allowed)))
        while allowed is None or asked <= _AMONG_ALL * count:
            hits = self._best(query, asked)
            kept = _kept(hits, count, allowed, barred)
            if len(kept.rows) == count or len(hits.rows) < asked:
                return kept
            asked *= 4
        return self._best(_both(query, _of_rows(allowed)), count)

    def holders(self, phrase: Sequence[str], count: int) -> Rows:
        """Return the passages that hold tokens one after the other, at most `count`."""
        if len(phrase) == 1:
            return self._best(_term(phrase[0]), count).rows
        return self._best(Query.phrase_query(_schema(), "words", list(phrase)), count).rows

    def _weighed(self, token: str, weight: float) -> Query | None:
        if not (held := self.frequency(token)):
            return None
        own = math.log(1 + (self.count - held + 0.5) / (held + 0.5))
        return Query.boost_query(_term(token), weight / own)

    def _best(self, query: Query, count: int) -> WordHits:
        hits = self._searcher.search(query, limit=max(1, min(count, self.count)), count=False).hits
        rows = self._searcher.fast_field_values("row", [address for _, address in hits])
        return WordHits(np.array(rows, np.int64), np.array([score for score, _ in hits], np.float64))


def tokens(text: str) -> list[str]:
    """Return the tokens of a text: runs of letters and digits, in small, without accents, by English stems."""
    return list(_analyzer().analyze(_normal(text)))


_NONE = WordHits(np.empty(0, np.int64), np.empty(0, np.float64))


def _kept(hits: WordHits, count: int, allowed: Rows | None, barred: Rows | None) -> WordHits:
    chosen = np.ones(len(hits.rows), np.bool_)
    if allowed is not None:
        chosen &= among(hits.rows, allowed)
    if barred is not None:
        chosen &= ~among(hits.rows, barred)
    return WordHits(hits.rows[chosen][:count], hits.scores[chosen][:count])


def _term(token: str) -> Query:
    return Query.term_query(_schema(), "words", token)


def _of_rows(rows: Rows) -> Query:
    return Query.const_score_query(Query.term_set_query(_schema(), "row", rows.tolist()), 0.0)


def _both(one: Query, other: Query) -> Query:
    return Query.boolean_query([(Occur.Must, one), (Occur.Must, other)])


def _fill(index: Index, passages: Iterable[PassageWords], memory: int) -> Rows:
    """Add passages; return their rows."""
    writer = index.writer(heap_size=memory, num_threads=1)
    rows = []
    for passage in passages:
        writer.add_document(Document(row=passage.row, words=_normal(passage.words)))
        rows.append(passage.row)
    writer.commit()
    writer.wait_merging_threads()
    return np.array(rows, np.int64)


def _opened(index: Index) -> Index:
    index.register_tokenizer("words", _analyzer())
    return index


def _normal(text: str) -> str:
    """Return letters and their accents as one, as far as there is one for both."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@cache
def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("row", indexed=True, fast=True)
    builder.add_text_field("words", tokenizer_name="words", index_option="position")
    return builder.build()


@cache
def _analyzer() -> tantivy.TextAnalyzer:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(_LONGEST))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )
