"""A sentence-transformers model on torch, inside the embedding process.

Nothing else of retrieval's but the reranker loads torch.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.records import Vectors

_BATCH = 8


class TorchModel:
    """Any model of sentence-transformers. Several threads may ask it at once.

    Args:
        folder: of the model.
        name: of its weights and files; another name is another model.
        threads: of torch.
        dtype: of its numbers, as torch calls it.
    """

    def __init__(self, folder: Path, name: str, *, threads: int, dtype: str) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self._model: SentenceTransformer = SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": dtype}
        )
        self._model.eval()
        self._inference_mode = torch.inference_mode
        self._tokenizing = threading.Lock()  # a fast tokenizer refuses two callers at once
        self.identity = f"{name}/{dtype}/{self._model.max_seq_length}"
        self.dimensions = self.encode(["warm"]).shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text, in their order."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        rows: list[Vectors] = [np.empty(0, np.float32)] * len(texts)
        for first in range(0, len(order), _BATCH):
            batch = order[first : first + _BATCH]
            for index, row in zip(batch, self._forward([texts[index] for index in batch]), strict=True):
                rows[index] = row
        return np.stack(rows) if rows else np.empty((0, self.dimensions), np.float32)

    def _forward(self, texts: list[str]) -> Vectors:
        with self._tokenizing:
            features = self._model.preprocess(texts)
        with self._inference_mode():
            vectors = self._model(features)["sentence_embedding"].float()
            # Once more in float32: a vector normalised in bfloat16 is only about of unit length.
            unit: Vectors = (vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)).numpy()
        return unit
