"""The cross-encoder inside the embedding process: how well a passage answers a query. Used by one thread.

Imported by the embedding process alone, since it loads torch.
"""

from pathlib import Path

import numpy as np

from retrieval.reranker import reranker_problem

_BATCH = 16
_MAX_TOKENS = 512


class PairModel:
    """A sentence-transformers cross-encoder with one score a pair.

    Raises:
        ValueError: the folder holds no such model.
    """

    def __init__(self, folder: Path) -> None:
        if problem := reranker_problem(folder):
            raise ValueError(problem)
        import torch
        from sentence_transformers import CrossEncoder

        # An activation of our own: models differ in whether their scores are logits.
        self._model = CrossEncoder(
            str(folder), device="cpu", local_files_only=True, activation_fn=torch.nn.Sigmoid()
        )
        self._model.max_length = min(self._model.max_length or _MAX_TOKENS, _MAX_TOKENS)
        self._model.eval()

    def scores(self, query: str, texts: list[str]) -> bytes:
        """Return one score a text, 0 to 1, as raw float32."""
        pairs = [(query, text) for text in texts]
        found = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        return np.asarray(found, np.float32).reshape(len(texts)).tobytes()
