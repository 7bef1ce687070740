"""Knowledge: stores that follow folders, searched by meaning and by words. The face of retrieval.

Blocking; the server calls it in worker threads. Knows neither personas nor prompts.
"""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from core.clock import Clock, system_clock
from core.database import Database
from core.errors import NotFound, Unavailable
from retrieval import lexicon, shelf
from retrieval.access import open_stores
from retrieval.attribute_filter import Filter
from retrieval.built_index import IndexSizes
from retrieval.index_cache import IndexCache
from retrieval.lexicon import LexicalHits, Searched
from retrieval.parsing import Parser
from retrieval.ranking import blended, fused, varied
from retrieval.records import (
    Document,
    Passage,
    SearchResult,
    StoreStatus,
    SyncProgress,
    SyncReport,
    TextEmbedder,
    Vectors,
)
from retrieval.reranker import Rerank, reranked
from retrieval.row_cache import RowCache
from retrieval.shelf import Store
from retrieval.sync import FolderSync
from retrieval.vector_index import Rows
from retrieval.word_cache import WordCache

CANDIDATES = 50
"""How many passages each leg finds."""
_SHOWN = 20
_RERANKED = 30
_MAX_QUERY_CHARACTERS = 4_000
_HELD_ROWS = 8_192
"""Passages that are kept in memory with their vectors: about 25 MB."""


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Every passage that either leg found, with its exact cosine and vector."""

    cosines: dict[int, float]
    vectors: dict[int, Vectors]
    words: LexicalHits


class Knowledge:
    """All stores of a server. Safe for many threads; syncs run one after the other beside searches."""

    def __init__(
        self,
        database: Database,
        embedder: TextEmbedder,
        index_dir: Path,
        parser: Parser | None = None,
        clock: Clock = system_clock,
        *,
        rerank: Rerank | None = None,
        index_sizes: IndexSizes | None = None,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._indexes = IndexCache(database, index_dir, index_sizes)
        self._words = WordCache(database, index_dir, (index_sizes or IndexSizes()).in_memory)
        self._vectors = RowCache[Vectors](_HELD_ROWS)
        self._passages = RowCache[Passage](_HELD_ROWS)
        self._parser = parser or Parser()
        self._rerank = rerank
        self._syncing = threading.Lock()
        self._clock = clock

    def sync(self, store: str, folder: Path, progress: Callable[[SyncProgress], None] | None = None) -> SyncReport:
        """Bring `store` in line with `folder`; only what changed is read into passages and embedded.

        Raises:
            InvalidRequest: the folder does not exist.
            Unavailable: the embedder, the parser or the database is away; the next sync goes on from there.
        """
        with self._syncing:
            try:
                return FolderSync(self._database, self._embedder, self._parser, store, folder, progress).run()
            finally:
                with self._database.read() as connection:
                    known = shelf.find_store(connection, store)
                if known is not None:
                    self._indexes.refresh(store)
                    self._words.refresh(store)

    def settle(self) -> None:
        """Wait until no index is being built or written in the background."""
        self._indexes.settle()
        self._words.settle()

    def close(self) -> None:
        """Parse no further file: a sync that runs ends at the next one that takes a parser. Searches go on."""
        self._parser.close()
        self._indexes.close()
        self._words.close()

    def drop_gone(self) -> None:
        """Forget the indexes of vector stores that are no more."""
        self._indexes.drop_gone()
        self._words.drop_gone()

    def readable(self, stores: Sequence[str], reader: str) -> list[str]:
        """Return the vector stores among `stores` that `reader` may read."""
        if not stores:  # most personas name none, and each of their turns asks
            return []
        with self._database.read() as connection:
            open_ones = open_stores(connection, stores, reader, self._clock())
        return [name for name in stores if name in open_ones]

    def search(
        self,
        stores: Sequence[str],
        query: str,
        *,
        also: Sequence[str] = (),
        reader: str | None = None,
        wanted: Filter | None = None,
        top_k: int = 4,
        floor: float = 0.35,
        dense_weight: float = 0.5,
        per_document: int | None = None,
    ) -> SearchResult:
        """Return the best passages of all `stores` together.

        Args:
            stores: names of stores; the best are taken over all of them together.
            query: the words of a person, at most 4,000 characters of which count.
            also: the same question in other words, such as with what a follow-up leans on. A passage counts by the
                mean of its scores over all of them, and by its best cosine.
            reader: who asks; without one no vector store is found. One that has expired has nothing.
            wanted: a filter over the attributes of files of vector stores; both legs search only what passes.
            top_k: how many passages at most.
            floor: raw cosine below which a passage is not shown (none left: "nothing found"), unless it
                holds a rare identifier of the query (`ERR-4711`) to the letter.
            dense_weight: share of the cosine in the fused score; the rest is BM25.
            per_document: how many passages of one document at most; by default three quarters of `top_k`.

        Raises:
            NotFound: there is no such store, or the reader may not read it.
            Unavailable: the embedder is away, or a store waits to be embedded anew.
        """
        opened = self._opened(stores, reader)
        phrasings = [words for words in map(_searchable, (query, *also)) if words]
        if not phrasings or not opened:
            return SearchResult((), 0.0)
        vectors = self._embedder.embed(phrasings, priority=True)
        within = self._passing(opened, wanted)
        legs = [
            self._candidates(opened, words, meant, within) for words, meant in zip(phrasings, vectors, strict=True)
        ]
        found = _together(legs)
        best = max(found.cosines.values(), default=0.0)
        scores = blended([fused(leg.cosines, leg.words.scores, dense_weight) for leg in legs])
        eligible = [row for row in scores if found.cosines[row] >= floor or row in found.words.exact]
        ranked = sorted(eligible, key=lambda row: (-scores[row], row))
        shown = self._shown(opened, ranked[: max(_SHOWN, 4 * top_k)], scores, found)
        if self._rerank is not None:
            shown = reranked(self._rerank, phrasings[-1], shown[:_RERANKED]) + shown[_RERANKED:]
        return SearchResult(varied(shown, top_k, per_document), best)

    def stores(self) -> list[StoreStatus]:
        """Return what every store holds."""
        with self._database.read() as connection:
            return shelf.statuses(connection, self._embedder.model_id)

    def document(self, document_id: str, reader: str | None = None) -> Document:
        """Return a document with its whole text.

        Args:
            document_id: which.
            reader: who asks; without one no document of a vector store is found.

        Raises:
            NotFound: no store holds it (any more), or the reader may not read that store.
        """
        with self._database.read() as connection:
            document = shelf.find_document(connection, document_id)
            if document is not None and document.uploaded:
                now = self._clock()
                if not open_stores(connection, [document.store], reader, now).get(document.store):
                    document = None
        if document is None:
            raise NotFound(f"There is no document {document_id!r}. It may have been removed from its folder.")
        return document

    def _opened(self, names: Sequence[str], reader: str | None) -> list[Store]:
        with self._database.read() as connection:
            opened = [(name, shelf.find_store(connection, name)) for name in dict.fromkeys(names)]
            open_ones = open_stores(connection, names, reader, self._clock())
        found = []
        for name, store in opened:
            if store is None or (store.id < 0 and name not in open_ones):
                raise NotFound(f"There is no knowledge store {name!r}. `repertory knowledge list` shows them.")
            if not open_ones.get(name, True):
                continue  # it has expired
            if store.embedder != self._embedder.model_id:
                raise Unavailable(
                    f"The store {name!r} is still embedded by another model. Wait for its sync.",
                    code="store_outdated",
                    retry_after=30,
                )
            found.append(store)
        return found

    def _passing(self, opened: Sequence[Store], wanted: Filter | None) -> Mapping[int, Rows] | None:
        """Return store → the only passages that may be found; None where all may."""
        if wanted is None:
            return None
        with self._database.read() as connection:
            return {store.id: shelf.rows_passing(connection, store.id, wanted) for store in opened}

    def _candidates(
        self, opened: Sequence[Store], words: str, vector: Vectors, within: Mapping[int, Rows] | None
    ) -> _Candidates:
        only = within or {}
        rows = {
            row
            for store in opened
            for row in self._indexes.get(store).search(vector, CANDIDATES, only.get(store.id))
        }
        searched = [Searched(self._words.get(store), only.get(store.id)) for store in opened]
        hits = lexicon.search(searched, words, CANDIDATES, rows)
        with self._database.read() as connection:
            read = partial(shelf.passage_vectors, connection, self._embedder.model_id)
            held = self._vectors.get(_version(opened), rows | hits.scores.keys(), read)
        order = list(held)
        if not order:
            return _Candidates({}, {}, hits)
        cosines = np.stack([held[row] for row in order]) @ vector
        lexical = {row: score for row, score in hits.scores.items() if row in held}
        return _Candidates(dict(zip(order, cosines.tolist(), strict=True)), held, LexicalHits(lexical, hits.exact))

    def _shown(
        self, opened: Sequence[Store], rows: Sequence[int], scores: dict[int, float], found: _Candidates
    ) -> list[Passage]:
        with self._database.read() as connection:
            written = self._passages.get(_version(opened), rows, partial(shelf.passage_texts, connection))
        return [
            replace(written[row], cosine=found.cosines[row], score=scores[row], vector=found.vectors[row])
            for row in rows
            if row in written
        ]


def _searchable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", " ")[:_MAX_QUERY_CHARACTERS].strip()


def _together(legs: Sequence[_Candidates]) -> _Candidates:
    """Return what several phrasings of a question found: each passage with its best cosine and words."""
    if len(legs) == 1:
        return legs[0]
    cosines: dict[int, float] = {}
    words: dict[int, float] = {}
    for leg in legs:
        cosines |= {row: max(cosine, cosines.get(row, -1.0)) for row, cosine in leg.cosines.items()}
        words |= {row: max(score, words.get(row, 0.0)) for row, score in leg.words.scores.items()}
    exact = frozenset[int]().union(*(leg.words.exact for leg in legs))
    vectors = {row: vector for leg in legs for row, vector in leg.vectors.items()}
    return _Candidates(cosines, vectors, LexicalHits(words, exact & cosines.keys()))


def _version(opened: Sequence[Store]) -> Hashable:
    return tuple((store.id, store.generation, store.embedder) for store in opened)
