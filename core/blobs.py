"""Bytes by their SHA-256, each kept once. Knows no rows, no names and whose they are.

A blob is written beside its place, brought to disk and renamed, so that a name means that the bytes are whole.
"""

import contextlib
import errno
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from core.database import disk_full
from core.durable import bring_to_disk
from core.errors import Unavailable

_INCOMING = "incoming"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Draft:
    """Bytes on their way in; `keep` makes them a blob, `discard` leaves nothing."""

    def __init__(self, folder: Path) -> None:
        descriptor, name = tempfile.mkstemp(dir=folder)
        self.path = Path(name)
        self.size = 0
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hash of the bytes so far."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Add bytes. Blocking.

        Raises:
            Unavailable: the disk is full or failing.
        """
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise disk_full() from error
        self._digest.update(data)
        self.size += len(data)

    def finish(self) -> None:
        """Bring the bytes to disk.

        Raises:
            Unavailable: the disk is full or failing.
        """
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise disk_full() from error

    def discard(self) -> None:
        """Leave nothing of it; after `Blobs.keep` there is nothing to leave."""
        with contextlib.suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


class Blobs:
    """The folder of blobs: `ab/abcdef…`, and drafts in `incoming/`. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Return where the bytes with this hash lie, if there are any."""
        return self._folder / sha256[:2] / sha256

    def draft(self) -> Draft:
        """Begin to take bytes in.

        Raises:
            Unavailable: the folder cannot be written, or the disk is full.
        """
        incoming = self._folder / _INCOMING
        try:
            incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            return Draft(incoming)
        except OSError as error:
            if error.errno in _FULL:
                raise disk_full() from error
            raise Unavailable(
                f"The folder {str(self._folder)!r} cannot be written ({error.strerror}). Check its owner.",
                code="data_dir_unusable",
                retry_after=30,
            ) from error

    def keep(self, draft: Draft) -> None:
        """Give a finished draft its place, from where no crash takes it.

        Raises:
            Unavailable: the disk is full or failing.
        """
        place = self.path(draft.sha256)
        try:
            if place.exists() and place.stat().st_size == draft.size:
                draft.path.unlink()
                return
            if not place.parent.exists():
                place.parent.mkdir(mode=0o700, exist_ok=True)
                bring_to_disk(self._folder)
            draft.path.replace(place)
            bring_to_disk(place.parent)
        except OSError as error:
            raise disk_full() from error

    def remove(self, sha256: str) -> None:
        """Remove a blob."""
        self.path(sha256).unlink(missing_ok=True)

    def held(self) -> Iterator[str]:
        """Yield the hash of every blob."""
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                yield path.name

    def drop_drafts(self, *, idle: float = 0.0) -> None:
        """Remove what a process that is gone was taking in.

        Args:
            idle: seconds for which nothing was added to it. With 0, call it before anything is taken in.
        """
        for path in (self._folder / _INCOMING).glob("*"):
            with contextlib.suppress(FileNotFoundError):  # its owner has just kept or discarded it
                if time.time() - path.stat().st_mtime >= idle:
                    path.unlink()
