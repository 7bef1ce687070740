"""Vector stores, their files, batches and results as OpenAI's objects. Pure."""

from collections.abc import Callable, Mapping, Sequence

from core.paging import Item, Page
from retrieval import Passage
from retrieval.vector_store import Batch, FileStatus, StoreFile, VectorStore


def store_shown(store: VectorStore) -> dict[str, object]:
    """Return OpenAI's vector store."""
    expiry = None if store.expires_days is None else {"anchor": "last_active_at", "days": store.expires_days}
    reading = "in_progress" if store.counts[FileStatus.IN_PROGRESS] else "completed"
    return {
        "id": store.id,
        "object": "vector_store",
        "created_at": int(store.created_at),
        "name": store.title,
        "description": store.description,
        "usage_bytes": store.usage_bytes,
        "file_counts": _counts(store.counts),
        "status": "expired" if store.expired else reading,
        "expires_after": expiry,
        "expires_at": None if store.expires_at is None else int(store.expires_at),
        "last_active_at": int(store.last_active_at),
        "metadata": dict(store.labels),
    }


def file_shown(file: StoreFile) -> dict[str, object]:
    """Return OpenAI's file of a vector store."""
    sizes = file.sizes
    strategy: dict[str, object] = {"type": "other"}
    if sizes is not None:
        static = {"max_chunk_size_tokens": sizes.max_tokens, "chunk_overlap_tokens": sizes.overlap_tokens}
        strategy = {"type": "static", "static": static}
    failed = file.error_code is not None
    return {
        "id": file.file_id,
        "object": "vector_store.file",
        "created_at": int(file.created_at),
        "usage_bytes": file.usage_bytes,
        "vector_store_id": file.vector_store,
        "status": file.status.value,
        "last_error": {"code": file.error_code, "message": file.error_message} if failed else None,
        "chunking_strategy": strategy,
        "attributes": dict(file.attributes),
    }


def batch_shown(batch: Batch) -> dict[str, object]:
    """Return OpenAI's batch of files."""
    waiting = batch.counts[FileStatus.IN_PROGRESS]
    status = "cancelled" if batch.cancelled else "in_progress" if waiting else "completed"
    return {
        "id": batch.id,
        "object": "vector_store.files_batch",
        "created_at": int(batch.created_at),
        "vector_store_id": batch.vector_store,
        "status": status,
        "file_counts": _counts(batch.counts),
    }


def page_shown(page: Page[Item], shown: Callable[[Item], dict[str, object]]) -> dict[str, object]:
    """Return OpenAI's list."""
    data = [shown(item) for item in page.items]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": page.more,
    }


def results_shown(
    queries: Sequence[str], passages: Sequence[Passage], files: Mapping[str, StoreFile]
) -> dict[str, object]:
    """Return OpenAI's page of search results; a passage whose file went meanwhile is left out."""
    data = [
        {
            "file_id": found.file_id,
            "filename": found.filename,
            "score": min(1.0, max(0.0, float(passage.score))),
            "attributes": dict(found.attributes),
            "content": [{"type": "text", "text": passage.text}],
        }
        for passage in passages
        if (found := files.get(passage.document_id)) is not None
    ]
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(queries),
        "data": data,
        "has_more": False,
        "next_page": None,
    }


def _counts(counts: Mapping[FileStatus, int]) -> dict[str, int]:
    return {**{status.value: counts[status] for status in FileStatus}, "total": sum(counts.values())}
