"""A folder of files, read with care. Knows names, links and sizes; nothing of formats, passages or stores."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import InvalidRequest
from retrieval.parsing import FileRefusedError, check_readable

MAX_TEXT_BYTES = 8_000_000
MAX_DOCUMENT_BYTES = 64_000_000
"""Of a file that is parsed in a process of its own: pictures make these large."""


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A file of a folder; `path` is relative, with forward slashes."""

    path: str
    location: Path


def entries(folder: Path) -> list[FolderEntry]:
    """List every file that is not hidden, in the order of the paths.

    Raises:
        InvalidRequest: `folder` is no folder (a vanished mount must not empty a store).
    """
    if not folder.is_dir():
        raise InvalidRequest(
            f"The knowledge folder {str(folder)!r} does not exist. Create it or correct the path; "
            "what was read from it before is kept.",
            code="knowledge_folder_missing",
        )
    return sorted(_walk(folder), key=lambda entry: entry.path)


def read_bytes(entry: FolderEntry, folder: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file.

    Raises:
        FileRefusedError: the file is of a kind that is not read, leads out of the folder, is too large, or cannot
            be opened.
    """
    try:
        return _read_bytes(entry, folder.resolve(), max_bytes)
    except OSError as error:
        raise FileRefusedError(f"It cannot be read ({error.strerror or error}). Check its permissions.") from error


def _walk(folder: Path) -> Iterator[FolderEntry]:
    for directory, names, files in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".")]
        here = Path(directory)
        # A linked folder is listed as one entry, which reading then refuses, so that its owner hears of it.
        linked = [name for name in names if (here / name).is_symlink()]
        for name in [*files, *linked]:
            if not name.startswith("."):
                location = here / name
                relative = location.relative_to(folder).as_posix()
                yield FolderEntry(os.fsencode(relative).decode("utf-8", "backslashreplace"), location)


def _read_bytes(entry: FolderEntry, folder: Path, max_bytes: int) -> bytes:
    if entry.location.is_symlink() and not entry.location.exists():
        raise FileRefusedError("It is a link to nothing. Restore its target or remove it.", keeps_last_good=False)
    target = entry.location.resolve()
    if not target.is_relative_to(folder):
        raise FileRefusedError(
            "It is a link that leads out of the folder. Copy the file into the folder instead.",
            keeps_last_good=False,
        )
    status = target.stat()
    if stat.S_ISDIR(status.st_mode):
        raise FileRefusedError("It is a link to a folder. Copy the folder instead.", keeps_last_good=False)
    if not stat.S_ISREG(status.st_mode):
        raise FileRefusedError("It is not a regular file. Remove it from the folder.", keeps_last_good=False)
    check_readable(entry.path)
    if status.st_size > max_bytes:
        raise _too_large(max_bytes)
    with target.open("rb") as stream:
        content = stream.read(max_bytes + 1)  # it may have grown since
    if len(content) > max_bytes:
        raise _too_large(max_bytes)
    return content


def _too_large(max_bytes: int) -> FileRefusedError:
    return FileRefusedError(f"It is larger than {max_bytes / 1e6:g} MB. Split it into several files.")
