"""The lexical leg at 100,000 passages: how long it takes and what its pruning costs, beside an OR of all words."""

import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, text

from benchmarks.judged import JudgedSet, judged_sets, spanned_sets
from benchmarks.relevance import ndcg, paired_difference
from benchmarks.report import RETRIEVAL, verdict
from benchmarks.sampling import quantile
from benchmarks.section import Bench, Section
from core.database import Database
from retrieval import shelf
from retrieval.lexicon import Lexicon
from retrieval.shelf import NewDocument
from retrieval.splitting import Piece, split, title_of
from retrieval.tables import metadata

PASSAGES = 100_000
_AT_ONCE = 1000
_CANDIDATES = 200
_MOST_QUESTIONS = 300
_P99_MS, _POINTS = 15.0, 0.5
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[^\W_]+")
_FULL_OR = text(
    "SELECT p.row, bm25(retrieval_passages_fts, 1.0, 1.0, 1.0) AS rank FROM retrieval_passages_fts"
    " JOIN retrieval_passages AS p ON p.row = retrieval_passages_fts.rowid"
    " WHERE retrieval_passages_fts MATCH :query AND p.store_id = :store ORDER BY rank LIMIT :count"
)


@dataclass(frozen=True, slots=True)
class _Filled:
    store: int
    documents: Mapping[int, str]
    """Row → the document of the set that it belongs to; nothing for what was added."""


def _measure(bench: Bench) -> list[str]:
    data = bench.sets()
    size = 20_000 if bench.quick else PASSAGES
    added = _distractors(data, size)
    lines = [
        f"A store of {size:,} passages: those of a set, and for the rest passages of about 700 characters out of",
        "sentences that were drawn from documents that answer no question (`benchmarks/words.py`). Searches one",
        "at a time. *Full*: an OR of every word in SQLite's FTS5. nDCG@10 of documents, words alone, in per cent.",
        "",
        "| set | questions | words | p50, ms | p99, ms | nDCG@10 | pruned less full |",
        "|---|---|---|---|---|---|---|",
    ]
    goals = []
    for one in judged_sets(data):
        with tempfile.TemporaryDirectory() as folder:
            database = Database(Path(folder) / "words.db")
            metadata.create_all(database.engine)
            filled = _fill(database, one, added, size)
            with database.read() as connection:
                lexicon = Lexicon()
                arms = {
                    "full": _run(one, filled, _full(connection, filled.store)),
                    "pruned": _run(one, filled, _pruned(connection, filled.store, lexicon)),
                }
            database.close()
        gap = paired_difference(arms["pruned"][1], arms["full"][1])
        for name, (times, scores) in arms.items():
            tail = (
                f"{100 * gap.value:+.2f} ({100 * gap.low:+.2f} to {100 * gap.high:+.2f})"
                if name == "pruned"
                else ""
            )
            lines.append(
                f"| {one.name} | {len(scores)} | {name} | {1000 * quantile(times, 0.5):.1f} "
                f"| {1000 * quantile(times, 0.99):.1f} | {100 * statistics.fmean(scores):.1f} | {tail} |"
            )
            print(lines[-1], flush=True)
        p99 = 1000 * quantile(arms["pruned"][0], 0.99)
        goals += [
            _goal(f"{one.name}: p99 at most {_P99_MS:g} ms", f"{p99:.1f} ms", p99 <= _P99_MS),
            _goal(
                f"{one.name}: nDCG within {_POINTS} of full",
                f"{100 * gap.value:+.2f}",
                100 * gap.value >= -_POINTS,
            ),
        ]
    return [*lines, "", "| goal | measured | |", "|---|---|---|", *goals]


def _goal(what: str, measured: str, reached: bool) -> str:
    return f"| {what} | {measured} | {verdict(reached)} |"


def _run(
    one: JudgedSet, filled: _Filled, search: Callable[[str], Sequence[int]]
) -> tuple[list[float], list[float]]:
    times, scores = [], []
    asked = list(one.questions.items())
    asked = asked[:: max(1, len(asked) // _MOST_QUESTIONS)]
    for _, words in asked[:30]:
        search(words)
    for key, words in asked:
        began = time.perf_counter()
        rows = search(words)
        times.append(time.perf_counter() - began)
        ranking = list(dict.fromkeys(filled.documents.get(row, f"added {row}") for row in rows))
        scores.append(ndcg(ranking, one.judgements[key]))
    return times, scores


def _full(connection: Connection, store: int) -> Callable[[str], Sequence[int]]:
    def search(words: str) -> Sequence[int]:
        query = " OR ".join(f'"{word}"' for word in dict.fromkeys(_WORD.findall(words)))
        found = connection.execute(_FULL_OR, {"query": query, "store": store, "count": _CANDIDATES})
        return [row for row, _ in found]

    return search


def _pruned(connection: Connection, store: int, lexicon: Lexicon) -> Callable[[str], Sequence[int]]:
    def search(words: str) -> Sequence[int]:
        scores = lexicon.search(connection, [store], words, _CANDIDATES).scores
        return sorted(scores, key=lambda row: -scores[row])

    return search


def _fill(database: Database, one: JudgedSet, added: Sequence[str], size: int) -> _Filled:
    with database.write() as connection:
        store = shelf.create_store(connection, "words", "", "none", 1)
    names: dict[str, str] = {}
    written = 0
    with database.write() as connection:
        for number, (key, file) in enumerate(one.documents.items()):
            markdown = file.suffix == ".md"
            pieces = split(file.text, markdown=markdown)
            title = title_of(file.text, f"{number:06}", markdown=markdown)
            shelf.put_document(connection, store, _document(f"doc-{number}", title, pieces), {})
            names[f"doc-{number}"] = key
            written += len(pieces)
        for first in range(0, max(0, size - written), _AT_ONCE):
            part = added[first : first + min(_AT_ONCE, size - written - first)]
            pieces = [Piece("", words, first + place, first + place + 1) for place, words in enumerate(part)]
            shelf.put_document(connection, store, _document(f"added-{first}", "", pieces), {})
        rows = connection.execute(text("SELECT row, document_id FROM retrieval_passages")).all()
    return _Filled(store.id, {row: names[document] for row, document in rows if document in names})


def _document(name: str, title: str, pieces: Sequence[Piece]) -> NewDocument:
    hashes = [f"{name}:{place}" for place in range(len(pieces))]
    return NewDocument(name, name, title, "", name, pieces, hashes)


def _distractors(data: Path, count: int) -> list[str]:
    sentences = [words for document in _unasked(data) for words in _SENTENCE.split(document) if len(words) > 20]
    chance = np.random.default_rng(9)
    return [" ".join(_sentences(sentences, chance)) for _ in range(count)]


def _sentences(pool: Sequence[str], chance: np.random.Generator) -> Iterator[str]:
    length = 0
    while length < 700:
        sentence = pool[int(chance.integers(len(pool)))][:700]
        length += len(sentence)
        yield sentence


def _unasked(data: Path) -> Iterator[str]:
    for one in judged_sets(data):
        asked = {document for grades in one.judgements.values() for document in grades}
        yield from (file.text for key, file in one.documents.items() if key not in asked)
    for other in spanned_sets(data):
        yield from (file.text for file in other.documents.values())


SECTION = Section("words", "The lexical leg at 100,000 passages", _measure, RETRIEVAL)
