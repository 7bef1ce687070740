"""Which of the ways to run an embedding model is taken. Imported by the embedding process alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from retrieval.eight_bit import EightBitModel, UnfitError
from retrieval.records import Vectors
from retrieval.torch_model import TorchModel


class EmbeddingModel(Protocol):
    """Texts in, vectors out; several threads may ask at once."""

    @property
    def identity(self) -> str:
        """Name of the weights, the way of computing and the length limit; vectors of two names never mix."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text, shape (n, dimensions)."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that is ready.

    Attributes:
        problem: why it is not in eight bits, where that was to be found out.
    """

    model: EmbeddingModel
    problem: str | None = None


def opened(folder: Path, *, threads: int, dtype: str, kept_in: Path | None) -> Opened:
    """Load a model: in eight bits if `dtype` is `int8`, or `auto` and it can be had so; else with torch.

    Raises:
        UnfitError: `int8` is asked for and cannot be had.
    """
    name = digest(folder)
    problem = None
    if dtype in ("auto", "int8"):
        try:
            return Opened(EightBitModel(folder, name, threads=threads, kept_in=kept_in))
        except UnfitError as error:
            if dtype == "int8":
                raise
            problem, dtype = str(error), "float32"
    return Opened(TorchModel(folder, name, threads=threads, dtype=dtype), problem)


def digest(folder: Path) -> str:
    """Return a name for the weights and all that belongs to them."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".safetensors", ".json", ".txt"} and path.is_file():
            with path.open("rb") as stream:
                total.update(path.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]
