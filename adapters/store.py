"""The folder of adapter versions: copies come in beside, are made durable, then renamed into place."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.inspection import CONFIG, FILES, WEIGHTS
from adapters.manifest import file_digests
from core.durable import bring_to_disk
from core.folder_lock import held

_INCOMING = ".incoming-"


class AdapterStore:
    """`root/<name>/<version>/`, each complete or absent. Knows no database."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str, version: int) -> Path:
        """Return the folder of a version, whether it exists or not."""
        return self.root / name / str(version)

    @contextmanager
    def incoming(self, name: str, source: Path) -> Iterator[Path]:
        """Copy the adapter files of `source` beside the versions of `name`; what is not placed is removed."""
        self.root.mkdir(parents=True, exist_ok=True)
        parent = self.root / name
        parent.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=parent))
        with held(folder):
            try:
                for file in FILES:
                    if file == WEIGHTS or (source / file).exists():
                        _copy(source / file, folder / file)
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def place(self, incoming: Path, name: str, version: int) -> Path:
        """Give a complete copy its place, durably."""
        place = self.path(name, version)
        incoming.chmod(0o755)
        incoming.rename(place)
        for folder in (place.parent, self.root):
            bring_to_disk(folder)
        return place

    def numbers(self, name: str) -> list[int]:
        """Return the numbers that have a folder."""
        parent = self.root / name
        entries = parent.iterdir() if parent.is_dir() else ()
        return sorted(int(entry.name) for entry in entries if entry.name.isdigit())

    def sweep(self, known: set[tuple[str, int]], name: str) -> None:
        """Remove what a crash left of `name`: copies that nobody works on, and folders without a row.

        Call it while nobody gives out numbers; an import that is still copying is left alone.
        """
        for copy in (self.root / name).glob(f"{_INCOMING}*"):
            if _abandoned(copy):
                shutil.rmtree(copy, ignore_errors=True)
        for number in self.numbers(name):
            if (name, number) not in known:
                shutil.rmtree(self.path(name, number))

    def names(self) -> list[str]:
        """Return the names that have a folder."""
        entries = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(entry.name for entry in entries if entry.is_dir())


def content_digest(folder: Path, base_fingerprint: str) -> str:
    """Return the hash of what an adapter computes: weights, configuration, and the base under them."""
    files = {name: digest for name, digest in file_digests(folder).items() if name in (CONFIG, WEIGHTS)}
    return hashlib.sha256(json.dumps([base_fingerprint, files], sort_keys=True).encode()).hexdigest()


def _abandoned(folder: Path) -> bool:
    try:
        with held(folder, wait=False):
            return True
    except OSError:  # somebody works on it, or it is gone, or nothing of ours
        return False


def _copy(source: Path, target: Path) -> None:
    # O_NOFOLLOW and O_NONBLOCK: the folder may have changed since it was looked at.
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())
