"""Vectors as a large store would have them, made of real ones. Knows numbers; texts only to embed the real ones.

The generator: a passage of the sets is drawn and moved by the difference of two others, scaled so that it keeps a
cosine of about .8 with the first. So what is made fills the room that real passages fill, and each has many
neighbours. Questions are the sets' own, in another draw and moved less, by the differences of questions, so that
none stands as it was and their likeness to passages stays that of real questions.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.judged import judged_sets, spanned_sets
from retrieval import TextEmbedder
from retrieval.records import Vectors
from retrieval.splitting import embedding_text, split, title_of

_MOVED = 0.75
_QUESTIONS_MOVED = 0.3
_BLOCK = 50_000


def real_vectors(data: Path, embedder: TextEmbedder) -> tuple[Vectors, Vectors]:
    """Return the vectors of all passages and of all questions of the sets in a folder."""
    questions = [words for one in judged_sets(data) for words in one.questions.values()]
    questions += [words for one in spanned_sets(data) for words, _ in one.questions]
    return embedder.embed(passage_texts(data)), embedder.embed(questions)


def passage_texts(data: Path) -> list[str]:
    """Return what is embedded for the passages of the sets in a folder."""
    files = [file for one in judged_sets(data) for file in one.documents.values()]
    files += [file for one in spanned_sets(data) for file in one.documents.values()]
    texts = []
    for file in files:
        markdown = file.suffix == ".md"
        title = title_of(file.text, "", markdown=markdown)
        pieces = split(file.text, markdown=markdown)
        texts += [embedding_text(title, piece.heading, piece.text) for piece in pieces]
    return texts


def grown(real: Vectors, count: int, seed: int, moved: float = _MOVED) -> Vectors:
    """Return `count` unit vectors made of real ones."""
    chance = np.random.default_rng(seed)
    made = np.empty((count, real.shape[1]), np.float32)
    for first in range(0, count, _BLOCK):
        size = min(_BLOCK, count - first)
        own, one, other = (real[chance.integers(0, len(real), size)] for _ in range(3))
        away = one - other
        part = own + moved * away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
        made[first : first + size] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return made


def questions(real: Vectors, count: int, seed: int) -> Vectors:
    """Return `count` questions of another draw."""
    return grown(real, count, seed, _QUESTIONS_MOVED)


def described(real: Vectors, asked: Vectors) -> Sequence[str]:
    """Say in words how the vectors were made."""
    return (
        f"Vectors are made of the {len(real):,} real passages of the sets: each is one of them, moved by the",
        f"difference of two others to a cosine of about .8 with itself. The questions are the {len(asked):,} real",
        "ones, moved less, in another draw (`benchmarks/cloud.py`).",
    )
