"""Where indexes lie on the disk: one entry a store and kind, a file or a folder. Knows nothing of what is in it.

An entry is written beside, brought to disk and renamed, so that a kill leaves the old one, the new one or none.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.durable import bring_to_disk


class IndexFolder:
    """The entries of one kind in the folder of indexes.

    Args:
        folder: where they lie; made when the first one is written.
        kind: how their names end.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._kind = kind
        self._sweep()

    def path(self, store_id: int) -> Path:
        """Return where the index of a store lies."""
        return self._folder / f"{store_id}.{self._kind}"

    @contextmanager
    def replacing(self, store_id: int) -> Iterator[Path]:
        """Give a place to write to; at the end, what was written there takes the place of what was there before.

        Raises:
            OSError: the disk is full, or the folder may not be written; nothing half-written stays.
        """
        path = self.path(store_id)
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            for part in (*_parts(beside), beside):
                bring_to_disk(part)
            if path.is_dir() or beside.is_dir():  # a folder takes the place of nothing
                _remove(path)
            beside.replace(path)
            bring_to_disk(self._folder)
        except BaseException:
            with contextlib.suppress(OSError):
                _remove(beside)  # a full disk has no room for half an index
            raise

    def remove(self, store_id: int) -> None:
        """Remove the index of a store, if there is one."""
        _remove(self.path(store_id))

    def keep_only(self, store_ids: Collection[int]) -> None:
        """Remove the indexes of all other stores."""
        for path in self._folder.glob(f"*.{self._kind}"):
            if path.stem.lstrip("-").isdecimal() and int(path.stem) not in store_ids:
                _remove(path)

    def _sweep(self) -> None:
        """Remove what processes that are gone have left half-written."""
        for beside in self._folder.glob(f"*.{self._kind}.*.tmp"):
            writer = beside.suffixes[-2].lstrip(".")
            if not (writer.isdecimal() and Path("/proc", writer).exists()):
                _remove(beside)


def digest(path: Path, seed: str = "") -> str:
    """Return the SHA-256 of what makes up an index.

    Args:
        path: of a file, or of a folder, whose hidden locks do not count.
        seed: what it depends on besides its bytes.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    if not path.is_dir():
        return _digest(path)
    parts = [part for part in _parts(path) if part.suffix != ".lock"]
    return hashlib.sha256(
        "\n".join([seed, *(f"{part.name} {_digest(part)}" for part in parts)]).encode()
    ).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _parts(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else []


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
