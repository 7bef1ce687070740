"""Documents in: how fast files become searchable, where that time goes, and how long searches take meanwhile."""

import hashlib
import random
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.cloud import grown, passage_texts, questions, real_vectors
from benchmarks.gateway_parts import ROOT
from benchmarks.judged import judged_sets
from benchmarks.remembered import embedding, remembering
from benchmarks.report import RETRIEVAL, verdict
from benchmarks.sampling import quantile
from benchmarks.section import Bench, Section
from core.database import Database
from retrieval import Embedder, Knowledge, TextEmbedder
from retrieval.ingest import Ingest
from retrieval.parsing import ParsedDocument, Parser
from retrieval.records import Vectors
from retrieval.store_files import StoreFiles
from retrieval.tables import metadata
from retrieval.tokens import ModelTokens
from retrieval.vector_store import Upload
from retrieval.vector_stores import VectorStores
from tests.fakes.pdf import pdf

_PAGES, _PAGES_EACH, _LINES, _WIDTH = 1000, 50, 48, 85
_FILES = 500
_SIZES = (10_000, 100_000, 1_000_000)
_SEARCHES = 500
_PASSAGES_A_FILE = 1000
_CHANGES_A_SECOND = 2.0
_LEAST_CHANGES = 40
_READER = "key:bench"
_SHARE = 0.9


def _measure(bench: Bench) -> list[str]:
    data = bench.sets()
    shrink = 10 if bench.quick else 1
    texts = passage_texts(data)
    sizes = _SIZES[:2] if bench.quick else _SIZES
    return [
        *_documents_in(data, texts, shrink),
        "",
        *_searches_meanwhile(data, texts, [size // shrink for size in sizes], _SEARCHES // shrink),
    ]


# Documents in


class _Timed:
    """An embedder that notes how long it was at work, and on how many passages."""

    def __init__(self, embedder: TextEmbedder) -> None:
        self._embedder = embedder
        self.model_id, self.dimensions = embedder.model_id, embedder.dimensions
        self.seconds, self.passages = 0.0, 0

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        began = time.perf_counter()
        made = self._embedder.embed(texts, priority=priority)
        self.seconds += time.perf_counter() - began
        self.passages += len(texts)
        return made


class _TimedParser(Parser):
    """A parser that notes how long it was at work, and how many characters came of it."""

    seconds, characters = 0.0, 0

    def parse(self, content: bytes, name: str) -> ParsedDocument:
        began = time.perf_counter()
        parsed = super().parse(content, name)
        self.seconds += time.perf_counter() - began
        self.characters += len(parsed.text)
        return parsed


def _documents_in(data: Path, texts: Sequence[str], shrink: int) -> list[str]:
    lines = [
        "A folder is read into a new store, from the files to the index on the disk, by the server's own road",
        "and embedding process (two threads). The PDF files have 50 pages of about 4,000 characters, drawn from",
        "sentences of the sets; the text files are documents of the sets.",
        "",
        "| files | MB of text | passages | seconds | files/s | MB/s | passages/s | embedding | parsing | rest |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    with embedding() as embedder:
        embedder.embed(texts[:32])
        pages = _PAGES // shrink
        share = _read_in(f"{pages // _PAGES_EACH} PDF, {pages:,} pages", _pdfs(texts, pages), embedder, lines)
        _read_in("Markdown and text", _plain_files(data, _FILES // shrink), embedder, lines)
    goal = f"{pages:,} pages of PDF: embedding is at least {_SHARE:.0%} of the time"
    return [
        *lines,
        "",
        "| goal | measured | |",
        "|---|---|---|",
        f"| {goal} | {share:.1%} | {verdict(share >= _SHARE)} |",
    ]


def _read_in(what: str, files: dict[str, bytes], embedder: Embedder, lines: list[str]) -> float:
    timed, parser = _Timed(embedder), _TimedParser()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "files").mkdir()
        for file, content in files.items():
            (base / "files" / file).write_bytes(content)
        database = Database(base / "intake.db")
        metadata.create_all(database.engine)
        knowledge = Knowledge(database, timed, base / "indexes", parser)
        began = time.perf_counter()
        report = knowledge.sync("files", base / "files")
        seconds = time.perf_counter() - began
        if report.failures:
            raise RuntimeError(f"Files were refused: {report.failures[:3]}")
        database.close()
    size = parser.characters / 1e6
    embedded, parsed = timed.seconds / seconds, parser.seconds / seconds
    lines.append(
        f"| {what} | {size:.1f} | {timed.passages} | {seconds:.0f} | {len(files) / seconds:.1f} "
        f"| {size / seconds:.3f} | {timed.passages / seconds:.1f} | {embedded:.1%} | {parsed:.1%} "
        f"| {1 - embedded - parsed:.1%} |"
    )
    print(lines[-1], flush=True)
    return embedded


def _pdfs(texts: Sequence[str], pages: int) -> dict[str, bytes]:
    lines = _lines(texts)
    files = {}
    for first in range(0, pages, _PAGES_EACH):
        sheets = ["\n".join(next(lines) for _ in range(_LINES)) for _ in range(min(_PAGES_EACH, pages - first))]
        files[f"volume-{first:04}.pdf"] = pdf(sheets)
    return files


def _lines(texts: Sequence[str]) -> Iterator[str]:
    chance = random.Random(3)
    while True:
        words = chance.choice(texts).encode("cp1252", "replace").decode("cp1252")
        yield from textwrap.wrap(words, _WIDTH)


def _plain_files(data: Path, count: int) -> dict[str, bytes]:
    files = [file for one in judged_sets(data) for file in one.documents.values()]
    drawn = random.Random(4).sample(files, min(count, len(files)))
    return {f"{number:05}{file.suffix}": file.text.encode() for number, file in enumerate(drawn)}


# Searches meanwhile


class _Drawn:
    """An embedder that costs nothing: a question has the vector made for it, a passage the next of a pool."""

    def __init__(self, asked: dict[str, Vectors], pool: Vectors) -> None:
        self._asked, self._pool = asked, pool
        self._given: dict[bytes, int] = {}
        self.model_id, self.dimensions = "drawn", pool.shape[1]

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        if (known := self._asked.get(text)) is not None:
            return known
        key = hashlib.blake2b(text.encode(), digest_size=8).digest()
        number = self._given.setdefault(key, len(self._given))
        drawn: Vectors = self._pool[number % len(self._pool)]
        return drawn


class _Shelf:
    """A vector store with all that a server has for it."""

    def __init__(self, base: Path, embedder: TextEmbedder) -> None:
        self._base = base
        self.database = Database(base / "shelf.db")
        metadata.create_all(self.database.engine)
        parser, tokens = Parser(), ModelTokens(lambda: ROOT / "models" / "embedding")
        self.knowledge = Knowledge(self.database, embedder, base / "indexes", parser)
        self._files = StoreFiles(self.database, time.time)
        self._ingest = Ingest(self.database, embedder, parser, tokens, lambda sha256: base / sha256)
        self._store = VectorStores(self.database, embedder, time.time).create(_READER).id

    def add(self, text: str) -> str:
        """Put a file into the store, and return its id once it can be found."""
        content = text.encode()
        sha256 = hashlib.sha256(content).hexdigest()
        (self._base / sha256).write_bytes(content)
        file_id = f"file-{sha256[:16]}"
        self._files.add(self._store, Upload(file_id, "notes.txt", len(content), sha256, {}))
        while self._ingest.step():
            pass
        return file_id

    def remove(self, file_id: str) -> None:
        """Take a file out of the store."""
        self._files.remove(self._store, file_id)

    def search(self, question: str) -> float:
        """Search for a question, and return how many seconds it took."""
        began = time.perf_counter()
        self.knowledge.search([self._store], question, reader=_READER, floor=-1.0)
        return time.perf_counter() - began

    def settle(self) -> str:
        """Wait until the index that serves is of the kind for its size, and return that."""
        self.knowledge.settle()
        status = next(one for one in self.knowledge.stores() if one.name == self._store)
        return str(status.index_kind)


@dataclass(slots=True)
class _Writer:
    """Adds a file of some twenty passages and takes the one before out, again and again, in a thread."""

    shelf: _Shelf
    texts: Sequence[str]
    changes: int = 0
    _end: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Go on until `stop`."""
        chance, before = random.Random(8), None
        while not self._end.wait(1 / _CHANGES_A_SECOND):
            added = self.shelf.add("\n\n".join(chance.choices(self.texts, k=20)))
            if before:
                self.shelf.remove(before)
                self.changes += 1
            before = added
            self.changes += 1

    def stop(self) -> None:
        """End after the change that is under way."""
        self._end.set()


def _searches_meanwhile(data: Path, texts: Sequence[str], sizes: Sequence[int], searches: int) -> list[str]:
    with remembering() as embedder:
        passages, asked = real_vectors(data, embedder)
    made = questions(asked, searches, seed=22)
    words = [words for one in judged_sets(data) for words in one.questions.values()]
    chance = random.Random(6)
    drawn = dict(zip(chance.sample(words, searches), made, strict=True))
    lines = [
        "One vector store, filled through its own worker; texts and vectors as in the sections before, the",
        "embedding of questions and passages not counted. Searches one at a time, the whole way of",
        "`Knowledge.search`: rights, both legs, fusion, texts. *Meanwhile*: with a thread that adds and removes",
        f"files of about twenty passages, {_CHANGES_A_SECOND:g} times a second at most.",
        "",
        "| passages | index | filled in, s | alone: p50, ms | p99, ms | meanwhile: p50, ms | p99, ms | changes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            shelf = _Shelf(Path(folder), _Drawn(drawn, grown(passages, size, seed=21)))
            began = time.perf_counter()
            for first in range(0, size, _PASSAGES_A_FILE):
                part = chance.choices(texts, k=min(_PASSAGES_A_FILE, size - first))
                shelf.add("\n\n".join(f"{first + place}. {text}" for place, text in enumerate(part)))
            filled = time.perf_counter() - began
            shelf.search(next(iter(drawn)))
            kind = shelf.settle()
            built = time.perf_counter() - began - filled
            print(f"{size:,} passages: {filled:.0f} s to fill, {built:.0f} s to index", flush=True)
            for question in list(drawn)[:50]:
                shelf.search(question)
            alone = [shelf.search(question) for question in drawn]
            writer = _Writer(shelf, texts)
            thread = threading.Thread(target=writer.run)
            thread.start()
            meanwhile = []
            while writer.changes < _LEAST_CHANGES:
                meanwhile += [shelf.search(question) for question in drawn]
            writer.stop()
            thread.join()
            count = shelf.knowledge.stores()[0].passages
            shelf.knowledge.close()
            shelf.database.close()
        cells = [f"{1000 * quantile(times, share):.1f}" for times in (alone, meanwhile) for share in (0.5, 0.99)]
        lines.append(f"| {count:,} | {kind} | {filled:.0f} | {' | '.join(cells)} | {writer.changes} |")
        print(lines[-1], flush=True)
    return lines


SECTION = Section("intake", "Documents in, and searches meanwhile", _measure, RETRIEVAL)
