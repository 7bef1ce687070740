"""The lexical leg at 100,000 passages: how long it takes and what it finds, beside an OR of all words in FTS5."""

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
from retrieval import lexicon, shelf
from retrieval.knowledge import CANDIDATES
from retrieval.lexicon import Searched
from retrieval.live_words import LiveWords
from retrieval.shelf import NewDocument
from retrieval.splitting import Piece, split, title_of
from retrieval.tables import metadata
from retrieval.vector_index import Rows
from retrieval.word_cache import WordCache

PASSAGES = 100_000
_AT_ONCE = 1000
_MOST_QUESTIONS = 300
_P99_MS, _POINTS = 15.0, 0.5
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[^\W_]+")
_FULL_TEXT = (
    "CREATE VIRTUAL TABLE full_text USING fts5(title, heading, text, content='retrieval_passages', "
    "content_rowid='row', tokenize='porter unicode61')",
    "INSERT INTO full_text(full_text) VALUES ('rebuild')",
)
_FULL_OR = text(
    "SELECT rowid, bm25(full_text) AS rank FROM full_text WHERE full_text MATCH :query ORDER BY rank LIMIT :count"
)
_COMMON = "what is it that you have to do with this and how can it be in the same way as for the other one of them"
_REPEATED = 100


@dataclass(frozen=True, slots=True)
class _Filled:
    documents: Mapping[int, str]
    """Row → the document of the set that it belongs to; nothing for what was added."""


def _measure(bench: Bench) -> list[str]:
    data = bench.sets()
    size = 20_000 if bench.quick else PASSAGES
    added = _distractors(data, size)
    lines = [
        f"A store of {size:,} passages: those of a set, and for the rest passages of about 700 characters out of",
        "sentences that were drawn from documents that answer no question (`benchmarks/words.py`). Searches one",
        f"at a time, for the {CANDIDATES} best; ours scores as many others beside, drawn by chance, as if the",
        "dense leg had found them. *Full*: an OR of every word in SQLite's FTS5 (`porter unicode61`). nDCG@10 of",
        "documents, words alone, in per cent.",
        "",
        "| set | questions | words | p50, ms | p99, ms | nDCG@10 | ours less full |",
        "|---|---|---|---|---|---|---|",
    ]
    goals: list[str] = []
    hard: list[str] = []
    for one in judged_sets(data):
        with tempfile.TemporaryDirectory() as folder:
            database = Database(Path(folder) / "words.db")
            metadata.create_all(database.engine)
            filled = _fill(database, one, added, size)
            began = time.perf_counter()
            words = _words_of(database, Path(folder))
            made = time.perf_counter() - began
            stored = sum(path.stat().st_size for path in Path(folder).glob("*.words/*")) / size
            with database.read() as connection:
                full = _run(one, filled, _full(connection))
            ours = _run(one, filled, _ours(words))
            database.close()
        gap = paired_difference(ours[1], full[1])
        tail = f"{100 * gap.value:+.2f} ({100 * gap.low:+.2f} to {100 * gap.high:+.2f})"
        for name, (times, scores), what in (("full", full, ""), ("ours", ours, tail)):
            lines.append(
                f"| {one.name} | {len(scores)} | {name} | {1000 * quantile(times, 0.5):.1f} "
                f"| {1000 * quantile(times, 0.99):.1f} | {100 * statistics.fmean(scores):.1f} | {what} |"
            )
            print(lines[-1], flush=True)
        hard.append(f"| {one.name} | {made:.0f} | {stored:.0f} | {' | '.join(_hard(words, added))} |")
        print(hard[-1], flush=True)
        p99 = 1000 * quantile(ours[0], 0.99)
        goals += [
            _goal(f"{one.name}: p99 at most {_P99_MS:g} ms", f"{p99:.1f} ms", p99 <= _P99_MS),
            _goal(
                f"{one.name}: nDCG within {_POINTS} of full",
                f"{100 * gap.value:+.2f}",
                100 * gap.value >= -_POINTS,
            ),
        ]
    return [
        *lines,
        "",
        "| goal | measured | |",
        "|---|---|---|",
        *goals,
        "",
        "How long the index takes to make, its files, and what is hard for it: p99 in ms of a question of",
        "common words alone, of three identifiers, of a pasted text of 4,000 characters, and of a dozen words of",
        "a passage, kept to one passage in two, in a hundred, in a thousand.",
        "",
        "| set | made in, s | bytes a passage | common | identifiers | pasted | 1 in 2 | 1 in 100 | 1 in 1,000 |",
        "|---|---|---|---|---|---|---|---|---|",
        *hard,
    ]


def _words_of(database: Database, folder: Path) -> LiveWords:
    cache = WordCache(database, folder)
    with database.read() as connection:
        store = shelf.find_store(connection, "words")
    assert store is not None
    return cache.get(store)


def _hard(words: LiveWords, added: Sequence[str]) -> list[str]:
    chance = np.random.default_rng(5)
    pasted = [" ".join(added[first : first + 6])[:4000] for first in range(0, 6 * _REPEATED, 6)]
    named = [f"ERR-{number} CVE-2024-{7 * number} v1.{number}.3" for number in range(_REPEATED)]
    asked = [" ".join(added[number].split()[:12]) for number in range(_REPEATED)]
    parts = [np.sort(chance.choice(words.rows, words.count // share, replace=False)) for share in (2, 100, 1000)]
    kinds: list[tuple[Sequence[str], Rows | None]] = [
        ([_COMMON] * _REPEATED, None),
        (named, None),
        (pasted, None),
        *((asked, part) for part in parts),
    ]
    return [f"{_p99(words, questions, allowed):.1f}" for questions, allowed in kinds]


def _p99(words: LiveWords, questions: Sequence[str], allowed: Rows | None) -> float:
    times = []
    known = _known(words, allowed)
    for question in questions:
        began = time.perf_counter()
        lexicon.search([Searched(words, allowed)], question, CANDIDATES, next(known))
        times.append(time.perf_counter() - began)
    return 1000 * quantile(times, 0.99)


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


def _full(connection: Connection) -> Callable[[str], Sequence[int]]:
    def search(words: str) -> Sequence[int]:
        query = " OR ".join(f'"{word}"' for word in dict.fromkeys(_WORD.findall(words)))
        found = connection.execute(_FULL_OR, {"query": query, "count": CANDIDATES})
        return [row for row, _ in found]

    return search


def _ours(held: LiveWords) -> Callable[[str], Sequence[int]]:
    known = _known(held)

    def search(words: str) -> Sequence[int]:
        scores = lexicon.search([Searched(held)], words, CANDIDATES, next(known)).scores
        return sorted(scores, key=lambda row: -scores[row])

    return search


def _known(words: LiveWords, allowed: Rows | None = None) -> Iterator[Sequence[int]]:
    """Yield as many passages as the other leg would have found, drawn by chance."""
    rows = words.rows if allowed is None else allowed
    chance = np.random.default_rng(3)
    while True:
        yield rows[chance.integers(0, len(rows), CANDIDATES)].tolist()


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
        for statement in _FULL_TEXT:
            connection.execute(text(statement))
    return _Filled({row: names[document] for row, document in rows if document in names})


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
