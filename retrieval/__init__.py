"""Documents in, cited passages out.

A name is imported when it is first asked for: the small processes that start from this package, one for each file
that is parsed, must not load SQLAlchemy and LangChain to read a PDF.
"""

from typing import TYPE_CHECKING

from core.on_demand import on_demand

if TYPE_CHECKING:
    from retrieval.built_index import IndexSizes
    from retrieval.citations import SUPPORT_THRESHOLD, Citation, attribute
    from retrieval.embedder import Embedder
    from retrieval.knowledge import Knowledge
    from retrieval.markers import MarkerFilter
    from retrieval.records import (
        Document,
        FileFailure,
        FileWarning,
        Passage,
        SearchResult,
        StoreStatus,
        SyncProgress,
        SyncReport,
        TextEmbedder,
    )
    from retrieval.reranker import Rerank, Reranking, reranker_problem

__all__ = [
    "SUPPORT_THRESHOLD",
    "Citation",
    "Document",
    "Embedder",
    "FileFailure",
    "FileWarning",
    "IndexSizes",
    "Knowledge",
    "MarkerFilter",
    "Passage",
    "Rerank",
    "Reranking",
    "SearchResult",
    "StoreStatus",
    "SyncProgress",
    "SyncReport",
    "TextEmbedder",
    "attribute",
    "reranker_problem",
]

_ELSEWHERE = {
    "SUPPORT_THRESHOLD": "citations",
    "Citation": "citations",
    "Embedder": "embedder",
    "IndexSizes": "built_index",
    "Knowledge": "knowledge",
    "MarkerFilter": "markers",
    "Rerank": "reranker",
    "Reranking": "reranker",
    "attribute": "citations",
    "reranker_problem": "reranker",
}
"""Name → module; those that are not here are records."""


__getattr__ = on_demand(__name__, {name: _ELSEWHERE.get(name, "records") for name in __all__})
