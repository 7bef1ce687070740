"""What a vector store, a file in it and a batch of files are. Knows no database and no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

EVERYONE = "everyone"
"""The reader that stands for all callers."""

Value = str | float | bool
"""What an attribute of a file may be."""


class FileStatus(StrEnum):
    """How far a file of a store is."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How a file is to be split, in tokens of the embedding model."""

    max_tokens: int
    overlap_tokens: int


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file that goes into a store.

    Attributes:
        bytes: its size.
        sizes: how it is split; None leaves that to the server.
    """

    file_id: str
    filename: str
    bytes: int
    sha256: str
    attributes: Mapping[str, Value]
    sizes: Sizes | None = None


@dataclass(frozen=True, slots=True)
class VectorStore:
    """A store of uploaded files. Times are seconds since the epoch.

    Attributes:
        principal: who made it.
        usage_bytes: of texts and vectors.
        counts: status → number of files; every status is there.
        expired: whether its time is over: it answers nothing, and its files go.
    """

    id: str
    principal: str
    title: str
    description: str | None
    labels: Mapping[str, str]
    expires_days: int | None
    created_at: float
    last_active_at: float
    expires_at: float | None
    usage_bytes: int
    counts: Mapping[FileStatus, int]
    expired: bool


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A file in a store, and how far it is.

    Attributes:
        error_code: `unsupported_file`, `invalid_file` or `server_error`, where it failed.
        error_message: why, in words for its owner.
    """

    vector_store: str
    file_id: str
    filename: str
    status: FileStatus
    error_code: str | None
    error_message: str | None
    attributes: Mapping[str, Value]
    sizes: Sizes | None
    usage_bytes: int
    created_at: float
    document_id: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that were added to a store together."""

    id: str
    vector_store: str
    cancelled: bool
    created_at: float
    counts: Mapping[FileStatus, int]
