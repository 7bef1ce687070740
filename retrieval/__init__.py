"""Documents in, cited passages out."""

from retrieval.citations import SUPPORT_THRESHOLD, Citation, attribute
from retrieval.embedder import Embedder
from retrieval.knowledge import Knowledge
from retrieval.markers import MarkerFilter
from retrieval.records import (
    Document,
    FileFailure,
    Passage,
    SearchResult,
    StoreStatus,
    SyncProgress,
    SyncReport,
    TextEmbedder,
)

__all__ = [
    "SUPPORT_THRESHOLD",
    "Citation",
    "Document",
    "Embedder",
    "FileFailure",
    "Knowledge",
    "MarkerFilter",
    "Passage",
    "SearchResult",
    "StoreStatus",
    "SyncProgress",
    "SyncReport",
    "TextEmbedder",
    "attribute",
]
