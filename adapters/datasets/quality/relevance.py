"""Relevance: how near the questions are to what the persona is about. The embedding model is handed in."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.datasets.example import Example
from adapters.datasets.quality.score import Evidence, Measure, Score, first

Vectors = NDArray[np.float32]
Embed = Callable[[list[str]], Vectors]
"""Texts in, unit vectors out."""

_MOST = 2_000
_CHARACTERS = 2_000
_BATCH = 64


def relevance(examples: Sequence[Example], persona: Sequence[str], embed: Embed | None, *, floor: float) -> Score:
    """Measure the distance of each question to the nearest of the persona's texts.

    Args:
        examples: sound ones; of very many every n-th is taken.
        persona: what it is about, in pieces.
        embed: gives unit vectors.
        floor: cosine below which a question is out of domain.
    """
    taken = examples[:: max(1, -(-len(examples) // _MOST))]
    if embed is None or not persona or not taken:
        told = "needs a persona to compare with"
        return Score("relevance", (Measure("nearness", None, told), Measure("in_domain", None, told)))
    about = _vectors(embed, persona)
    asked = _vectors(embed, [example.prompt for example in taken])
    nearest = (asked @ about.T).max(axis=1).clip(0.0, 1.0)
    out = [
        Evidence(one.line, f"cosine {near:.2f}") for one, near in zip(taken, nearest, strict=True) if near < floor
    ]
    mean = float(nearest.mean())
    nearness = Measure("nearness", mean, f"mean distance {1 - mean:.2f} over {len(taken)} rows")
    told = f"{len(out)} of {len(taken)} rows are below a cosine of {floor}"
    return Score("relevance", (nearness, Measure("in_domain", 1 - len(out) / len(taken), told, first(out))))


def _vectors(embed: Embed, texts: Sequence[str]) -> Vectors:
    cut = [text[:_CHARACTERS] or " " for text in texts]
    return np.concatenate([embed(cut[at : at + _BATCH]) for at in range(0, len(cut), _BATCH)])
