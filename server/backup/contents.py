"""What a backup holds: the names that may stand in it, and its manifest, which is written last."""

import re
from importlib import metadata

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1
DATABASE = "repertory.db"
ADMIN_KEY = "admin.key"
MANIFEST = "manifest.json"
KEYS = "oauth.keys"
"""Never in a backup: beside the database they would open every connected account."""

ADAPTERS = "adapters"
BLOBS = "blobs"
DATASETS = "datasets"
DOCUMENTS = "documents"

_ADAPTER_FILE = re.compile(
    rf"{ADAPTERS}/[a-z0-9][a-z0-9-]{{0,63}}/[1-9][0-9]{{0,8}}/[A-Za-z0-9_][A-Za-z0-9._-]{{0,99}}"
)
_DOCUMENT = re.compile(rf"{DOCUMENTS}/[0-9a-f]{{64}}(\.json)?")
_BLOB = re.compile(rf"({BLOBS}|{DATASETS})/[0-9a-f]{{2}}/[0-9a-f]{{64}}")


class FileEntry(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What a whole backup holds.

    Attributes:
        format: of the archive.
        release: of Repertory that took it.
        schema_revision: of the database.
        created_at: seconds since the epoch.
        files: path → what is expected there.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: int
    release: str
    schema_revision: str
    created_at: float
    files: dict[str, FileEntry]


def may_hold(name: str) -> bool:
    """Tell whether a file of this name belongs into a backup; no path outside of the folder does."""
    inside = _ADAPTER_FILE.fullmatch(name) or _BLOB.fullmatch(name) or _DOCUMENT.fullmatch(name)
    return name in (DATABASE, ADMIN_KEY, MANIFEST) or inside is not None


def this_release() -> str:
    """Return the version of Repertory that runs."""
    return metadata.version("repertory")
