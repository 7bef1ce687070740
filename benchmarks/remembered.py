"""Vectors kept on disk between runs: what was embedded once is not embedded again. Knows texts, not their use."""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.gateway_parts import ROOT
from retrieval import Embedder
from retrieval.records import TextEmbedder, Vectors

_ASKED = 500
_BATCH = 256


_FOLDER = ROOT / "build" / "benchmarks"


@contextmanager
def embedding() -> Iterator[Embedder]:
    """Run the embedding process of the server, on two threads."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    embedder = Embedder(
        ROOT / "models" / "embedding", log_path=_FOLDER / "embedder.log", threads=2, kept_in=_FOLDER
    )
    embedder.start()
    try:
        yield embedder
    finally:
        embedder.close()


@contextmanager
def remembering() -> Iterator["RememberingEmbedder"]:
    """Run it over a file under `build/` that outlives the run."""
    with embedding() as embedder:
        remembered = RememberingEmbedder(embedder, _FOLDER / "vectors.db")
        yield remembered
        remembered.close()


class RememberingEmbedder:
    """An embedder that asks another one only for texts that are new.

    Args:
        embedder: the real one.
        path: the file that remembers; deleting it costs only time.
    """

    def __init__(self, embedder: TextEmbedder, path: Path) -> None:
        self._embedder = embedder
        self.model_id = embedder.model_id
        self.dimensions = embedder.dimensions
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL)")
        self._turn = threading.Lock()

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        """Return one unit vector a text."""
        keys = [self._key(text) for text in texts]
        with self._turn:
            known = self._known(keys)
            missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
            # Of like length together, as a sync of one long document would have them.
            order = sorted(missing, key=lambda key: len(missing[key]))
            for first in range(0, len(order), _BATCH):
                part = order[first : first + _BATCH]
                made = self._embedder.embed([missing[key] for key in part])
                rows = [(key, row.tobytes()) for key, row in zip(part, made, strict=True)]
                self._database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
                known |= dict(rows)
        blobs = b"".join(known[key] for key in keys)
        return np.frombuffer(blobs, np.float32).reshape(len(keys), self.dimensions)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _key(self, text: str) -> str:
        return hashlib.sha256(f"{self.model_id}\0{text}".encode("utf-8", "replace")).hexdigest()

    def _known(self, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for first in range(0, len(keys), _ASKED):
            part = keys[first : first + _ASKED]
            marks = ",".join("?" * len(part))
            rows = self._database.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part)
            found |= dict(rows.fetchall())
        return found
