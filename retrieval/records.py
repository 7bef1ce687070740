"""What retrieval hands out: passages, documents, the state of a store. Knows no database and no model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from retrieval.parsing import page_unit

UPLOADS = "vs_"
"""How the name of every vector store begins, and that of no folder."""

DOCUMENTS = "doc-"
"""How the id of every document begins."""

Vectors = npt.NDArray[np.float32]
"""Float32; a row is of unit length."""


class TextEmbedder(Protocol):
    """Turns texts into vectors: the embedding process, or a small double in tests."""

    @property
    def model_id(self) -> str:
        """Identity of model, precision and length limit; vectors of two identities never mix."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        """Return one unit vector a text, shape (n, dimensions)."""


def title_path(title: str, heading: str) -> str:
    """Return where a passage stands: `title > heading`, or the title alone where no heading is above it."""
    return f"{title} > {heading}" if heading else title


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrieved piece of a document.

    Attributes:
        start: first character in the document's text.
        end: character after the last; `document.text[start:end] == text`.
        cosine: raw cosine of passage and query.
        score: fused score, 0 to 1, comparable within one search only.
        page: page, slide or sheet of the document, counted from 1; None where it has none.
        vector: the stored embedding, for attribution.
    """

    id: str
    store: str
    document_id: str
    path: str
    title: str
    heading: str
    text: str
    start: int
    end: int
    cosine: float
    score: float
    page: int | None = None
    vector: Vectors | None = field(default=None, repr=False, compare=False)

    @property
    def place(self) -> str:
        """The page as people call it, such as `slide 3`; empty where the document has none."""
        return "" if self.page is None else f"{page_unit(self.path)} {self.page}"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The passages found, best first; none means "not in the knowledge".

    Attributes:
        best_cosine: the highest raw cosine seen, also when nothing passed the floor; 0.0 in an empty store.
    """

    passages: tuple[Passage, ...]
    best_cosine: float


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read; its text has line feeds as line ends."""

    id: str
    store: str
    path: str
    title: str
    text: str
    content_hash: str

    @property
    def uploaded(self) -> bool:
        """Whether it stands in a vector store, rather than in a folder."""
        return self.store.startswith(UPLOADS)


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """What a store holds now.

    Attributes:
        current: False while the store waits to be embedded anew by another embedder.
        failures: files that the last sync could not take in.
        warnings: files that are there, but not whole.
        index_kind: how its vectors are searched: `flat`, `sq8` (both scan all) or `hnsw-sq8`; None before there
            is an index.
        index_recall: recall@10 of the index against an exact search in full precision, when it was built.
    """

    name: str
    folder: str
    documents: int
    passages: int
    embedder: str
    current: bool
    synced_at: float | None
    failures: tuple["FileFailure", ...] = ()
    warnings: tuple["FileWarning", ...] = ()
    index_kind: str | None = None
    index_recall: float | None = None


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """A step of a sync, for a progress line."""

    store: str
    path: str
    files_done: int
    files_total: int
    passages_embedded: int


@dataclass(frozen=True, slots=True)
class FileFailure:
    """A file that could not be taken in, and why, in words for its owner."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileWarning:
    """A file that was taken in, but not whole, and what was left out, in words for its owner."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did. Paths are relative to the store's folder.

    Attributes:
        warnings: of all files that the store holds, also of those that did not change.
    """

    store: str
    added: tuple[str, ...]
    updated: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    failures: tuple[FileFailure, ...]
    warnings: tuple[FileWarning, ...]
    passages_embedded: int
    seconds: float

    @property
    def changed(self) -> bool:
        """Tell whether the store now differs from before."""
        return bool(self.added or self.updated or self.removed)
