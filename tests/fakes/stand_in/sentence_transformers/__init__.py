"""Stands in for sentence-transformers: words as vectors, with the few methods that the embedding process calls."""

import builtins
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.records import Vectors
from tests.fakes.embedder import WordEmbedder


@dataclass
class _Tensor:
    rows: Vectors

    def float(self) -> "_Tensor":
        return self

    def norm(self, *, dim: int, keepdim: bool) -> "_Tensor":
        return _Tensor(np.linalg.norm(self.rows, axis=dim, keepdims=keepdim).astype(np.float32))

    def clamp_min(self, least: builtins.float) -> "_Tensor":
        return _Tensor(np.maximum(self.rows, np.float32(least)))

    def __truediv__(self, other: "_Tensor") -> "_Tensor":
        return _Tensor(self.rows / other.rows)

    def numpy(self) -> Vectors:
        return self.rows


class SentenceTransformer:
    """The hashed bag of words of the fakes, as a model."""

    max_seq_length = 256

    def __init__(self, folder: str, **options: object) -> None:
        if not Path(folder).is_dir():
            raise OSError(f"{folder} is no folder of a model.")
        self._words = WordEmbedder(dimensions=96)

    def eval(self) -> None:
        """Do nothing."""

    def preprocess(self, texts: list[str]) -> dict[str, list[str]]:
        return {"texts": texts}

    def __call__(self, features: dict[str, list[str]]) -> dict[str, _Tensor]:
        return {"sentence_embedding": _Tensor(self._words.embed(features["texts"]))}
