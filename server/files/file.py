"""An uploaded file as its owner sees it. Knows no database."""

from dataclasses import dataclass
from typing import Literal, get_args

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals", "fine-tune-results"]
"""What a file is for."""

TRAINING: Purpose = "fine-tune"
RESULTS: Purpose = "fine-tune-results"
PURPOSES: tuple[str, ...] = tuple(one for one in get_args(Purpose) if one != RESULTS)
"""What a file may be uploaded for; results are the server's own."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One uploaded file; `bytes` is its size, times are seconds since the epoch."""

    id: str
    principal: str
    filename: str
    purpose: str
    bytes: int
    sha256: str
    created_at: float
    expires_at: float | None

    def shown(self) -> dict[str, object]:
        """Return OpenAI's file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": int(self.created_at),
            "expires_at": None if self.expires_at is None else int(self.expires_at),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }
