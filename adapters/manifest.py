"""The manifest of an adapter version: written last, so its existence means that the version is whole.

Shared by the registry (which writes it) and by the plug-in inside vLLM (which trusts nothing else).
Knows no database.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from core.durable import bring_to_disk
from core.errors import InvalidRequest

MANIFEST = "manifest.json"
_MAX_BYTES = 1_000_000


def file_digests(folder: Path) -> dict[str, str]:
    """Return name → SHA-256 in hex of every regular file of a version, the manifest left out."""
    digests = {}
    for path in sorted(folder.iterdir()):
        if path.name != MANIFEST and path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def write_manifest(folder: Path, content: Mapping[str, object]) -> str:
    """Write the manifest of a finished version, durably; return its digest.

    Args:
        folder: the version's folder; all its other files are complete.
        content: what is to be told of the version; the files' digests are added under `files`.
    """
    text = json.dumps({**content, "files": file_digests(folder)}, sort_keys=True, indent=1) + "\n"
    beside = folder / f"{MANIFEST}.tmp"
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / MANIFEST)
    bring_to_disk(folder)
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, object]:
    """Return the manifest of a version.

    Raises:
        InvalidRequest: there is none, or it cannot be read.
    """
    path = folder / MANIFEST
    if folder.is_symlink() or path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise InvalidRequest(
            f"{str(folder)!r} holds no finished adapter version (no {MANIFEST}). Import it again.",
            code="adapter_incomplete",
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(content, dict):
        raise _damaged(path)
    return content


def verify_folder(folder: Path) -> dict[str, object]:
    """Return the manifest of a version whose files are exactly those that the manifest tells of.

    Raises:
        InvalidRequest: a file is missing, changed or new.
    """
    manifest = read_manifest(folder)
    files = manifest.get("files")
    if not isinstance(files, dict) or file_digests(folder) != files:
        raise InvalidRequest(
            f"The files in {str(folder)!r} differ from their manifest. Restore them or import the adapter again.",
            code="adapter_damaged",
        )
    return manifest


def _damaged(path: Path) -> InvalidRequest:
    return InvalidRequest(f"{str(path)!r} cannot be read. Import the adapter again.", code="adapter_damaged")
