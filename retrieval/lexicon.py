"""The lexical leg: BM25 by SQLite's FTS5. Knows words and their rarity; nothing of vectors.

Text of a user is never query syntax: each word is quoted. Of a long question only the rarest words are
asked for, since scoring every passage that holds "the" costs far more than it tells.
"""

import json
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, text

MAX_TERMS = 10
_MAX_WORDS = 200
_COMMON_SHARE = 0.25
_RARE_SHARE = 0.01
_RARE_FLOOR = 3
_REMEMBERED_WORDS = 20_000

_WORD = re.compile(r"[^\W_]+")
_COMPOUND = re.compile(r"[^\W_]+(?:[-_./:#][^\W_]+)+")
_IDENTIFIER = re.compile(r"(?=.*\d)(?=.*[^\W\d])[\w\-./:#]{3,}|\d{5,}|\d+(?:[-./:#]\d+)+")

# CROSS JOIN keeps SQLite from walking all passages of a store and asking the full text for each (2 s at 100,000),
# the named index from reading each passage to learn its store.
_SEARCH = text(
    "SELECT p.row, bm25(retrieval_passages_fts, 1.0, 1.0, 1.0) AS rank FROM retrieval_passages_fts"
    " CROSS JOIN retrieval_passages AS p INDEXED BY retrieval_passages_by_store"
    " ON p.row = retrieval_passages_fts.rowid"
    " WHERE retrieval_passages_fts MATCH :query AND p.store_id IN :stores"
    " AND (:within IS NULL OR p.row IN (SELECT value FROM json_each(:within)))"
    " ORDER BY rank LIMIT :count"
).bindparams(bindparam("stores", expanding=True))
_HOLDERS = text(
    "SELECT p.row FROM retrieval_passages_fts"
    " CROSS JOIN retrieval_passages AS p INDEXED BY retrieval_passages_by_store"
    " ON p.row = retrieval_passages_fts.rowid"
    " WHERE retrieval_passages_fts MATCH :query AND p.store_id IN :stores"
    " AND (:within IS NULL OR p.row IN (SELECT value FROM json_each(:within))) LIMIT :count"
).bindparams(bindparam("stores", expanding=True))
_FREQUENCY = text("SELECT doc FROM retrieval_vocabulary WHERE term = :term")
_TOTAL = text("SELECT count(*) FROM retrieval_passages")


@dataclass(frozen=True, slots=True)
class LexicalHits:
    """What the lexical leg found.

    Attributes:
        scores: row → BM25, higher is better.
        exact: the rows that hold a rare identifier of the query (such as `ERR-4711`) as it stands there.
    """

    scores: dict[int, float]
    exact: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Term:
    words: str
    frequency: int
    identifier: bool


class Lexicon:
    """Searches the full text of all stores; remembers how frequent words are until `forget` is called."""

    def __init__(self) -> None:
        self._tokenizer = _Tokenizer()
        self._frequencies: dict[str, int] = {}

    def forget(self) -> None:
        """Drop the remembered frequencies; call it when passages have changed."""
        self._frequencies = {}

    def search(
        self,
        connection: Connection,
        store_ids: Sequence[int],
        query: str,
        count: int,
        within: Sequence[int] | None = None,
    ) -> LexicalHits:
        """Return the best `count` passages by BM25 over the query's rarest words; `within` are the only rows."""
        total = connection.execute(_TOTAL).scalar_one()
        terms = self._terms(connection, query, total)
        if not terms or not store_ids:
            return LexicalHits({}, frozenset())
        stores = list(store_ids)
        expression = " OR ".join(_quoted(term.words) for term in terms)
        inside = None if within is None else json.dumps(within)
        rows = connection.execute(
            _SEARCH, {"query": expression, "stores": stores, "count": count, "within": inside}
        )
        scores = {row: -rank for row, rank in rows}
        rare = max(_RARE_FLOOR, int(total * _RARE_SHARE))
        exact: set[int] = set()
        for term in terms:
            if term.identifier:
                parameters = {"query": _quoted(term.words), "stores": stores, "count": rare + 1, "within": inside}
                holders = connection.execute(_HOLDERS, parameters).scalars().all()
                if len(holders) <= rare:
                    exact.update(holders)
        return LexicalHits(scores, frozenset(exact & scores.keys()))

    def _terms(self, connection: Connection, query: str, total: int) -> list[_Term]:
        words = list(dict.fromkeys(_words(query)))[:_MAX_WORDS]
        terms = []
        for word, tokens in zip(words, self._tokenizer.tokens(words), strict=True):
            frequency = min((self._frequency(connection, token) for token in tokens), default=0)
            if frequency:
                terms.append(_Term(word, frequency, bool(_IDENTIFIER.fullmatch(word))))
        terms.sort(key=lambda term: (not term.identifier, term.frequency))
        telling = [term for term in terms if term.frequency <= total * _COMMON_SHARE]
        return (telling or terms)[:MAX_TERMS]

    def _frequency(self, connection: Connection, token: str) -> int:
        frequencies = self._frequencies  # the dict of this moment: `forget` puts another in its place
        known = frequencies.get(token)
        if known is None:
            known = connection.execute(_FREQUENCY, {"term": token}).scalar() or 0
            frequencies[token] = known
        return known


class _Tokenizer:
    """FTS5's own tokenizer, asked through a small table in memory: only it knows its stems."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._turn = threading.Lock()
        self._known: dict[str, list[str]] = {}
        self._connection.execute("CREATE VIRTUAL TABLE words USING fts5(word, tokenize='porter unicode61')")
        self._connection.execute("CREATE VIRTUAL TABLE tokens USING fts5vocab(words, 'instance')")

    def tokens(self, words: Sequence[str]) -> list[list[str]]:
        """Return the tokens of each word; most words have one, some (`ERR-4711`) several or none."""
        with self._turn:
            if len(self._known) > _REMEMBERED_WORDS:
                self._known.clear()
            if unknown := [word for word in words if word not in self._known]:
                self._known |= zip(unknown, self._split(unknown), strict=True)
            return [self._known[word] for word in words]

    def _split(self, words: Sequence[str]) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in words]
        self._connection.executemany("INSERT INTO words(rowid, word) VALUES (?, ?)", enumerate(words))
        for term, row in self._connection.execute("SELECT term, doc FROM tokens"):
            found[row].append(term)
        self._connection.execute("DELETE FROM words")
        return found


def _words(query: str) -> Iterator[str]:
    for match in _COMPOUND.finditer(query):
        if any(character.isdigit() for character in match[0]):
            yield match[0]
    for match in _WORD.finditer(query):
        yield match[0]


def _quoted(words: str) -> str:
    return '"' + words.replace('"', '""') + '"'
