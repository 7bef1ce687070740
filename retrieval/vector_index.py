"""FAISS behind one small class: an immutable index over row numbers and unit vectors.

The only file that imports faiss. Knows row numbers and vectors; nothing of texts, stores or the database.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from retrieval.records import Vectors

Rows = npt.NDArray[np.int64]
FLAT_LIMIT = 10_000
"""Above this many vectors eight bits a component are kept: four times faster, recall .99 (measured)."""
EXACT_LIMIT = 50_000
"""Above this many vectors a scan of all takes longer than the dense leg may, and a graph is walked."""
LINKS = 32
WIDEST = 512
"""Candidates that a walk keeps at most: with more, a scan would cost little more."""

_CARE = 200  # candidates while the graph is built (efConstruction); with 40 it loses half (measured)
_ADDED_AT_ONCE = 10_000
_GPU_SCRATCH_BYTES = 64 << 20


class IndexKind(StrEnum):
    """How an index finds what is near: by a scan of all, or by a walk through a graph of neighbours."""

    FLAT = "flat"
    SQ8 = "sq8"
    GRAPH = "hnsw-sq8"

    @property
    def exact(self) -> bool:
        """Tell whether every vector is looked at."""
        return self is not IndexKind.GRAPH


class _FaissIndex(Protocol):
    ntotal: int
    d: int

    def train(self, vectors: Vectors) -> None: ...
    def add_with_ids(self, vectors: Vectors, rows: Rows) -> None: ...
    def search(self, vectors: Vectors, count: int, *, params: object = None) -> tuple[Vectors, Rows]: ...


@dataclass(frozen=True, slots=True)
class Hits:
    """The rows found and their inner products, best first."""

    rows: Rows
    scores: Vectors


class Selection:
    """The rows that a search may find: those named, or all but those named."""

    def __init__(self, rows: Rows, *, but: bool = False) -> None:
        faiss = _faiss()
        self._named = faiss.IDSelectorBatch(np.ascontiguousarray(rows, np.int64))
        # faiss keeps pointers: what it points to lives as long as this object.
        self.selector: object = faiss.IDSelectorNot(self._named) if but else self._named


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """Row numbers and unit vectors; many threads may search at once.

    Attributes:
        rows: all row numbers, ascending.
    """

    kind: IndexKind
    rows: Rows
    _index: _FaissIndex
    _gpu: "_GpuCopy | None" = None

    @classmethod
    def exact(cls, rows: Rows, vectors: Vectors) -> "VectorIndex":
        """Return an index that scans all of `vectors` (n, d), of which each belongs to its row, ascending."""
        kind = IndexKind.FLAT if len(rows) <= FLAT_LIMIT else IndexKind.SQ8
        index = _made({IndexKind.FLAT: "IDMap,Flat", IndexKind.SQ8: "IDMap,SQ8"}[kind], vectors.shape[1])
        if len(rows):
            index.train(vectors)
            index.add_with_ids(vectors, rows)
        return cls(kind, rows, index)

    @classmethod
    def approximate(
        cls,
        rows: Rows,
        vectors: Vectors,
        *,
        links: int = LINKS,
        threads: int = 1,
        going_on: Callable[[], bool] = lambda: True,
    ) -> "VectorIndex | None":
        """Return an index that walks through a graph (HNSW) of eight-bit vectors, and need not find everything.

        Args:
            rows: of the vectors, ascending.
            vectors: (n, d).
            links: of each vector to its neighbours.
            threads: that build it.
            going_on: asked now and then; False ends the work, and None is returned.
        """
        index = _made(f"IDMap,HNSW{links}_SQ8", vectors.shape[1])
        _inner(index).hnsw.efConstruction = _CARE
        _faiss().omp_set_num_threads(threads)
        index.train(vectors)
        for first in range(0, len(rows), _ADDED_AT_ONCE):
            if not going_on():
                return None
            part = slice(first, first + _ADDED_AT_ONCE)
            index.add_with_ids(np.ascontiguousarray(vectors[part]), np.ascontiguousarray(rows[part]))
        return cls(IndexKind.GRAPH, rows, index)

    @classmethod
    def read(cls, path: Path) -> "VectorIndex":
        """Read what `write` wrote; the caller has checked the digest, faiss has none of its own.

        Raises:
            RuntimeError: faiss cannot read it.
        """
        faiss = _faiss()
        index = faiss.read_index(str(path))
        inner = faiss.downcast_index(index.index)
        kinds = (
            (faiss.IndexHNSW, IndexKind.GRAPH),
            (faiss.IndexFlat, IndexKind.FLAT),
            (faiss.IndexScalarQuantizer, IndexKind.SQ8),
        )
        kind = next(kind for made, kind in kinds if isinstance(inner, made))
        return cls(kind, faiss.vector_to_array(index.id_map), cast(_FaissIndex, index))

    def write(self, path: Path) -> None:
        """Write the index as faiss does.

        Raises:
            OSError: the disk is full, or the folder may not be written.
        """
        with path.open("wb") as file:  # given a name, faiss does not notice that the last bytes found no room
            _faiss().write_index(self._index, _faiss().PyCallbackIOWriter(file.write))

    @property
    def count(self) -> int:
        """How many vectors it holds."""
        return self._index.ntotal

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._index.d

    @property
    def vectors(self) -> Vectors:
        """A copy of all vectors, (n, d); of a `FLAT` index alone, the others keep none."""
        if self.kind is not IndexKind.FLAT:
            raise TypeError(f"An index of kind {self.kind.value!r} keeps no vectors in full precision.")
        kept: Vectors = _faiss().vector_to_array(_inner(self._index).codes).view(np.float32)
        return kept.reshape(-1, self.dimensions)

    @property
    def width(self) -> int:
        """How many candidates a walk keeps; 0 where all is scanned."""
        return 0 if self.kind.exact else int(_inner(self._index).hnsw.efSearch)

    def widen(self, width: int) -> None:
        """Keep so many candidates from now on; only before the index is shared with other threads."""
        _inner(self._index).hnsw.efSearch = width

    def search(self, query: Vectors, count: int, allowed: Rows | Selection | None = None) -> Hits:
        """Return what is nearest to the unit vector `query` (d,), nearest first.

        Args:
            query: of unit length.
            count: how many at most.
            allowed: row numbers, or a selection: nothing else is found. Among row numbers the search is always
                exact, with a selection it goes the way of the index.
        """
        if not self.count or count < 1:
            return _NONE
        # Requests are the parallelism; more threads inside each would only fight over the cores. It holds for
        # the thread that calls it.
        _faiss().omp_set_num_threads(1)
        one, most = query.reshape(1, -1), min(count, self.count)
        if isinstance(allowed, np.ndarray):
            return self._scanned(one, most, allowed)
        if allowed is not None:
            scores, rows = self._index.search(one, most, params=self._parameters(allowed))
        elif self._gpu is not None:
            scores, rows = self._gpu.search(one, most)
        else:
            scores, rows = self._index.search(one, most)
        found = rows[0] >= 0
        return Hits(rows[0][found], scores[0][found])

    def _scanned(self, query: Vectors, count: int, allowed: Rows) -> Hits:
        """Return the nearest of few rows from the vectors themselves, which a graph holds, too."""
        places = np.searchsorted(self.rows, allowed)
        places = places[self.rows[np.minimum(places, len(self.rows) - 1)] == allowed]
        if not len(places):
            return _NONE
        faiss = _faiss()
        inner = _inner(self._index)
        vectors = inner if self.kind.exact else faiss.downcast_index(inner.storage)
        chosen = Selection(places)
        scores, found = vectors.search(query, count, params=faiss.SearchParameters(sel=chosen.selector))
        held = found[0] >= 0
        return Hits(self.rows[found[0][held]], scores[0][held])

    def _parameters(self, chosen: Selection) -> object:
        faiss = _faiss()
        if self.kind.exact:
            return faiss.SearchParameters(sel=chosen.selector)
        return faiss.SearchParametersHNSW(sel=chosen.selector, efSearch=self.width)

    def on_gpu(self) -> "VectorIndex":
        """Return the same index with a copy on the first GPU; itself where there is none or it does not fit."""
        copy = _GpuCopy.of(self._index)
        return self if copy is None else VectorIndex(self.kind, self.rows, self._index, copy)


def among(rows: Rows, named: Rows) -> npt.NDArray[np.bool_]:
    """Tell which of a few rows are among many, which ascend."""
    if not len(named):
        return np.zeros(len(rows), np.bool_)
    return np.asarray(named[np.minimum(np.searchsorted(named, rows), len(named) - 1)] == rows, np.bool_)


class _GpuCopy:
    """A copy in the memory of a GPU, searched by one thread at a time: faiss allows no more there."""

    def __init__(self, index: _FaissIndex, resources: object) -> None:
        self._index = index
        self._resources = resources  # faiss does not keep it alive
        self._turn = threading.Lock()

    @classmethod
    def of(cls, index: _FaissIndex) -> "_GpuCopy | None":
        faiss = _faiss()
        if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() < 1:
            return None
        try:
            resources = faiss.StandardGpuResources()
            resources.setTempMemory(_GPU_SCRATCH_BYTES)  # by default it takes 1.5 GB from the engine
            return cls(cast(_FaissIndex, faiss.index_cpu_to_gpu(resources, 0, index)), resources)
        except RuntimeError:  # no memory left, or a kind that it does not know
            return None

    def search(self, query: Vectors, count: int) -> tuple[Vectors, Rows]:
        with self._turn:
            return self._index.search(query, count)


_NONE = Hits(np.empty(0, np.int64), np.empty(0, np.float32))


def _made(factory: str, dimensions: int) -> _FaissIndex:
    faiss = _faiss()
    return cast(_FaissIndex, faiss.index_factory(dimensions, factory, faiss.METRIC_INNER_PRODUCT))


def _inner(index: _FaissIndex) -> Any:
    """Return what the map of row numbers is laid around."""
    return _faiss().downcast_index(cast(Any, index).index)


@cache
def _faiss() -> ModuleType:
    import faiss

    return faiss
