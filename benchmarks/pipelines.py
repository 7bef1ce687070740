"""The pipelines that are compared: ours through `Knowledge`, LangChain's and Haystack's defaults.

All read the same files and get their vectors from the same model; what differs is how they split, what they embed
and how they rank. Each returns passages as ranges of the files where it can tell them.
"""

import json
import re
import subprocess
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter

from benchmarks.gateway_parts import ROOT
from benchmarks.judged import File, Span
from bootstrap.packages import Environment, install
from core.database import Database
from retrieval import Knowledge, TextEmbedder
from retrieval.splitting import embedding_text, split, title_of
from retrieval.tables import metadata

_STORE = "judged"
PASSAGES = 50
"""How many passages each pipeline returns; a document counts by its best."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a pipeline found for each question, best first, and the number of passages that it made."""

    passages: Sequence[Sequence[Span]]
    made: int


class Ours:
    """A store of `retrieval.Knowledge` that was synced from a folder."""

    def __init__(self, files: Mapping[str, File], embedder: TextEmbedder, folder: Path) -> None:
        here = folder / "files"
        here.mkdir()
        # Names that say nothing: an id may give the answer away, and no peer sees it.
        self._names = {f"{number:06}{file.suffix}": key for number, (key, file) in enumerate(files.items())}
        for name, key in self._names.items():
            (here / name).write_text(files[key].text, encoding="utf-8", newline="")
        database = Database(folder / "judged.db")
        metadata.create_all(database.engine)
        _embed_together(files, embedder)
        self._knowledge = Knowledge(database, embedder, folder / "indexes")
        report = self._knowledge.sync(_STORE, here)
        if report.failures:
            raise RuntimeError(f"Files were refused: {report.failures[:3]}")

    def found(self, questions: Sequence[str], dense_weight: float = 0.5) -> Found:
        """Return what a search finds, with nothing left out for being unlike."""
        results = [
            self._knowledge.search([_STORE], question, top_k=PASSAGES, floor=-1.0, dense_weight=dense_weight)
            for question in questions
        ]
        spans = [
            [Span(self._names[passage.path], passage.start, passage.end) for passage in result.passages]
            for result in results
        ]
        return Found(spans, self._knowledge.stores()[0].passages)


class _SameModel(Embeddings):
    def __init__(self, embedder: TextEmbedder) -> None:
        self._embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(value) for value in row] for row in self._embedder.embed(texts)]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def langchain(files: Mapping[str, File], questions: Sequence[str], embedder: TextEmbedder) -> Found:
    """Run what LangChain's tutorials build: RecursiveCharacterTextSplitter 1000/200 and InMemoryVectorStore."""
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200, add_start_index=True)
    documents = splitter.split_documents(
        [Document(page_content=file.text, metadata={"key": key}) for key, file in files.items()]
    )
    store = InMemoryVectorStore(_SameModel(embedder))
    store.add_documents(documents)
    found = []
    for question in questions:
        hits = store.similarity_search(question, k=PASSAGES)
        found.append([_span(hit) for hit in hits])
    return Found(found, len(documents))


def haystack(files: Mapping[str, File], questions: Sequence[str], embedder: TextEmbedder, folder: Path) -> Found:
    """Run Haystack's DocumentSplitter (200 words) and InMemoryEmbeddingRetriever in their own environment."""
    environment = Environment(ROOT / "build" / "haystack")
    if not environment.python.exists():
        venv.create(environment.root, with_pip=True)
    install(environment, ROOT / "requirements" / "haystack.lock")
    (folder / "files.json").write_text(json.dumps({key: file.text for key, file in files.items()}))
    _haystack_step(environment, "split", folder)
    passages = json.loads((folder / "passages.json").read_text())
    np.save(folder / "passages.npy", embedder.embed([passage["content"] for passage in passages]))
    np.save(folder / "questions.npy", embedder.embed(questions))
    _haystack_step(environment, "search", folder)
    hits = json.loads((folder / "found.json").read_text())
    return Found([[Span(*hit) for hit in one] for one in hits], len(passages))


def _span(hit: Document) -> Span:
    start = int(hit.metadata["start_index"])
    return Span(str(hit.metadata["key"]), start, start + len(hit.page_content))


def _haystack_step(environment: Environment, step: str, folder: Path) -> None:
    script = Path(__file__).with_name("haystack_peer.py")
    subprocess.run(
        [str(environment.python), str(script), step, str(folder), str(PASSAGES)],
        check=True,
        env={"HAYSTACK_TELEMETRY_ENABLED": "False", "PATH": ""},
    )


def _embed_together(files: Mapping[str, File], embedder: TextEmbedder) -> None:
    """Let the embedder see all passages at once: a sync would send them document by document."""
    texts = []
    for number, file in enumerate(files.values()):
        markdown = file.suffix == ".md"
        text = re.sub(r"\r\n?", "\n", file.text)
        title = title_of(text, f"{number:06}", markdown=markdown)
        texts += [embedding_text(title, piece.heading, piece.text) for piece in split(text, markdown=markdown)]
    embedder.embed(texts)
