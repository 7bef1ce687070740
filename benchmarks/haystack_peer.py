"""Haystack's default pipeline in two steps, run by the interpreter of its own environment.

`split` makes `passages.json` of `files.json`; between the steps the caller embeds; `search` makes `found.json`.
"""

import json
import sys
from pathlib import Path

import numpy as np
from haystack import Document
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore


def split(folder: Path) -> None:
    files = json.loads((folder / "files.json").read_text())
    documents = [Document(content=text, meta={"key": key}) for key, text in files.items()]
    passages = DocumentSplitter().run(documents=documents)["documents"]
    rows = [
        {"key": one.meta["key"], "start": one.meta["split_idx_start"], "content": one.content} for one in passages
    ]
    (folder / "passages.json").write_text(json.dumps(rows))


def search(folder: Path, count: int) -> None:
    store = InMemoryDocumentStore()
    rows = json.loads((folder / "passages.json").read_text())
    vectors = np.load(folder / "passages.npy")
    store.write_documents(
        [
            Document(id=str(number), content=row["content"], embedding=vector.tolist())
            for number, (row, vector) in enumerate(zip(rows, vectors, strict=True))
        ]
    )
    retriever = InMemoryEmbeddingRetriever(store, top_k=count)
    found = []
    for question in np.load(folder / "questions.npy"):
        hits = [rows[int(hit.id)] for hit in retriever.run(query_embedding=question.tolist())["documents"]]
        found.append([(row["key"], row["start"], row["start"] + len(row["content"])) for row in hits])
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    step, place, most = sys.argv[1:4]
    split(Path(place)) if step == "split" else search(Path(place), int(most))
