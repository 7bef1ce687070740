"""Answers about files and vector stores, as OpenAI's clients expect them."""

from typing import Literal

from pydantic import Field

from server.files.file import Purpose
from server.openapi.shape import Shape
from server.vector_stores.bodies import ExpiresAfter, StaticSizes


class FileObject(Shape):
    """An uploaded file."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Purpose
    status: Literal["processed"]
    status_details: None


class _List(Shape):
    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileList(_List):
    """Files of the caller's."""

    data: list[FileObject]


class FileDeleted(Shape):
    """A file is gone."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]


class FileCounts(Shape):
    """How many files are how far."""

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class VectorStoreObject(Shape):
    """A store of uploaded files."""

    id: str
    object: Literal["vector_store"]
    created_at: int
    name: str
    description: str | None
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["expired", "in_progress", "completed"]
    expires_after: ExpiresAfter | None
    expires_at: int | None
    last_active_at: int
    metadata: dict[str, str]


class VectorStoreList(_List):
    """Stores that the caller may read."""

    data: list[VectorStoreObject]


class VectorStoreDeleted(Shape):
    """A store is gone."""

    id: str
    object: Literal["vector_store.deleted"]
    deleted: Literal[True]


class LastError(Shape):
    """Why a file could not be taken in."""

    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str


class StaticStrategy(Shape):
    """The sizes that the client chose."""

    type: Literal["static"]
    static: StaticSizes


class OtherStrategy(Shape):
    """The server chose."""

    type: Literal["other"]


class StoreFileObject(Shape):
    """A file in a store."""

    id: str
    object: Literal["vector_store.file"]
    created_at: int
    usage_bytes: int
    vector_store_id: str
    status: Literal["in_progress", "completed", "cancelled", "failed"]
    last_error: LastError | None
    chunking_strategy: StaticStrategy | OtherStrategy
    attributes: dict[str, str | float | bool]


class StoreFileList(_List):
    """Files of a store, or of a batch."""

    data: list[StoreFileObject]


class StoreFileDeleted(Shape):
    """A file is in the store no more."""

    id: str
    object: Literal["vector_store.file.deleted"]
    deleted: Literal[True]


class StoredText(Shape):
    """A piece of text."""

    type: Literal["text"]
    text: str


class StoreFileContent(Shape):
    """What was read of a file."""

    object: Literal["vector_store.file_content.page"]
    data: list[StoredText]
    has_more: bool
    next_page: str | None


class FileBatchObject(Shape):
    """Files that were added together."""

    id: str
    object: Literal["vector_store.files_batch"]
    created_at: int
    vector_store_id: str
    status: Literal["in_progress", "completed", "cancelled", "failed"]
    file_counts: FileCounts


class SearchHit(Shape):
    """A passage that was found."""

    file_id: str
    filename: str
    score: float = Field(ge=0, le=1)
    attributes: dict[str, str | float | bool]
    content: list[StoredText]


class SearchResults(Shape):
    """Passages, best first."""

    object: Literal["vector_store.search_results.page"]
    search_query: list[str]
    data: list[SearchHit]
    has_more: bool
    next_page: str | None
