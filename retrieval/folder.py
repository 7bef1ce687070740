"""A folder of Markdown and text, read with care. Knows files and encodings, nothing of passages or stores."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import InvalidRequest

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
TEXT_SUFFIXES = frozenset({".txt", ".text"})
MAX_FILE_BYTES = 8_000_000


class FileRefusedError(Exception):
    """This file cannot be taken in.

    Attributes:
        keeps_last_good: True where the file is still there but unreadable, so that what was read of it
            before stays; False where nothing of it should be served any more.
    """

    def __init__(self, reason: str, *, keeps_last_good: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.keeps_last_good = keeps_last_good


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


def read_text(entry: FolderEntry, folder: Path, max_bytes: int = MAX_FILE_BYTES) -> str:
    """Return the text of a file, with line feeds as line ends and without a byte order mark.

    Raises:
        FileRefusedError: the file is of another kind, leads out of the folder, is too large, or is no text.
    """
    try:
        return _decode(_read_bytes(entry, folder.resolve(), max_bytes))
    except OSError as error:
        raise FileRefusedError(
            f"It cannot be read ({error.strerror or error}). Check its permissions.", keeps_last_good=True
        ) from error


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
    if entry.location.suffix.lower() not in MARKDOWN_SUFFIXES | TEXT_SUFFIXES:
        raise FileRefusedError(
            "Only Markdown (.md, .markdown) and text (.txt, .text) are read. Convert it, or move it away.",
            keeps_last_good=False,
        )
    if status.st_size > max_bytes:
        raise _too_large(max_bytes)
    with target.open("rb") as stream:
        content = stream.read(max_bytes + 1)  # it may have grown since
    if len(content) > max_bytes:
        raise _too_large(max_bytes)
    return content


def _decode(content: bytes) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise FileRefusedError(
            f"It is not UTF-8 text (byte {error.start + 1}). Save it as UTF-8.", keeps_last_good=True
        ) from error
    if "\0" in text:
        raise FileRefusedError(
            "It holds NUL characters, so it is no text. Save it as UTF-8 text.", keeps_last_good=True
        )
    if not text.strip():
        raise FileRefusedError("It is empty. Write something into it or remove it.", keeps_last_good=False)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _too_large(max_bytes: int) -> FileRefusedError:
    return FileRefusedError(
        f"It is larger than {max_bytes / 1e6:g} MB. Split it into several files.", keeps_last_good=True
    )
