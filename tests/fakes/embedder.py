"""An embedder without a model: a text becomes the hashed bag of its words, so shared words mean likeness.

Follows the face of `retrieval.Embedder`: float32 rows of unit length, in the order of the texts.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from retrieval.records import Vectors


class WordEmbedder:
    """Counts what it is asked for, so that a test can see what was not embedded again."""

    def __init__(self, model_id: str = "words/1", dimensions: int = 96) -> None:
        self.model_id = model_id
        self.dimensions = dimensions
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        if not priority:
            self.embedded.extend(texts)
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()) or ["(nothing)"]:
                digest = hashlib.sha256(f"{self.model_id}\0{word}".encode()).digest()
                row[int.from_bytes(digest[:4], "little") % self.dimensions] += 1
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
