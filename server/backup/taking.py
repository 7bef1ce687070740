"""Taking a backup, with or without a running server.

It has a consistent database, the adapters and uploads that this names, and the accepted OpenAPI documents.
Changes nothing in the data directory. The archive gets its name once it is whole.
"""

import hashlib
import os
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from adapters.manifest import verify_folder
from core.clock import Clock
from core.durable import bring_to_disk
from core.errors import Conflict, InvalidRequest, RepertoryError, TooLarge, Unavailable
from server.backup.contents import (
    ADAPTERS,
    ADMIN_KEY,
    BLOBS,
    DATABASE,
    DATASETS,
    DOCUMENTS,
    FORMAT,
    MANIFEST,
    FileEntry,
    Manifest,
    may_hold,
    this_release,
)

_BUSY_SECONDS = 30.0
_CHUNK = 1 << 20
_LARGEST_OF_USTAR = 8**11 - 1  # eleven octal digits
_LONGEST_OF_GNU = 100  # a longer name takes an extended header, which no restore reads
_BY_CONTENT = (
    (BLOBS, "server_files"),
    (DATASETS, "adapter_datasets"),
    (DATASETS, "adapter_dataset_parts"),
)
"""Folders of bytes by content, and the tables that name them."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A finished backup: its file, how much is in it, and what an operator should know."""

    path: Path
    size: int
    files: int
    warnings: tuple[str, ...]


def take(data_dir: Path, target: Path, clock: Clock) -> Taken:
    """Back `data_dir` up into the new file `target`.

    Raises:
        InvalidRequest: there is nothing to back up.
        Conflict: the target exists.
        TooLarge: a file under a long name has 8 GiB or more.
        Unavailable: the disk is full, or the target cannot be written.
    """
    if not (data_dir / DATABASE).is_file():
        raise InvalidRequest(
            f"There is no {DATABASE} in {str(data_dir)!r}. Set REPERTORY_DATA_DIR to the server's data directory."
        )
    if target.exists():
        raise Conflict(f"{str(target)!r} exists already. Choose another name; backups are never overwritten.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
            part = Path(beside) / "part"
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                files, warnings = _write(data_dir, Path(beside), file, clock())
                file.flush()
                os.fsync(file.fileno())
            os.link(part, target)  # unlike a rename it never overwrites
        bring_to_disk(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise _failed(target, error) from error
    return Taken(target, target.stat().st_size, files, tuple(warnings))


def _write(data_dir: Path, beside: Path, file: BinaryIO, now: float) -> tuple[int, list[str]]:
    snapshot = beside / DATABASE
    named = _snapshot(data_dir / DATABASE, snapshot)
    warnings: list[str] = []
    entries: dict[str, FileEntry] = {}
    with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.USTAR_FORMAT, compresslevel=1) as archive:
        entries[DATABASE] = _add(archive, snapshot, DATABASE)
        snapshot.unlink()
        for name, version in named.versions:
            folder = data_dir / ADAPTERS / name / str(version)
            try:
                verify_folder(folder)
            except RepertoryError as error:
                warnings.append(f"{name}@{version} is backed up as it is: {error.message}")
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.is_file() and not path.is_symlink():
                    inside = f"{ADAPTERS}/{name}/{version}/{path.name}"
                    entries[inside] = _add(archive, path, inside)
        for inside in named.blobs:
            if (data_dir / inside).is_file():
                entries[inside] = _add(archive, data_dir / inside, inside)
            else:
                warnings.append(f"The bytes of a file are not there: {inside}. It was deleted just now?")
        for pattern in (
            "*.json",
            "*",
        ):  # what names a text, then all texts: one that is named by then is among them
            for path in sorted((data_dir / DOCUMENTS).glob(pattern)):
                inside = f"{DOCUMENTS}/{path.name}"
                if inside not in entries and may_hold(inside) and path.is_file() and not path.is_symlink():
                    entries[inside] = _add(archive, path, inside)
        if (data_dir / ADMIN_KEY).is_file():
            entries[ADMIN_KEY] = _add(archive, data_dir / ADMIN_KEY, ADMIN_KEY)
        manifest = Manifest(
            format=FORMAT, release=this_release(), schema_revision=named.revision, created_at=now, files=entries
        )
        last = beside / MANIFEST
        last.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        _add(archive, last, MANIFEST)
    return len(entries), warnings


@dataclass(frozen=True, slots=True)
class _Named:
    """What a database names that lies beside it: adapter versions, and paths of uploads and data sets."""

    revision: str
    versions: list[tuple[str, int]]
    blobs: list[str]


def _snapshot(database: Path, copy: Path) -> _Named:
    """Copy the database in one read transaction; return its revision and what it names.

    `VACUUM INTO` copies rows, not pages: what was deleted is not in the copy. Writers go on meanwhile.
    """
    with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS, isolation_level=None)) as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy, isolation_level=None)) as taken:
        try:
            (revision,) = taken.execute("SELECT version_num FROM alembic_version").fetchone()
            versions = taken.execute(
                "SELECT name, version FROM adapter_versions ORDER BY name, version"
            ).fetchall()
            blobs = sorted(
                f"{folder}/{str(sha256)[:2]}/{sha256}"
                for folder, table in _BY_CONTENT
                if taken.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
                for (sha256,) in taken.execute(f"SELECT DISTINCT sha256 FROM {table}")  # noqa: S608 - ours
            )
        except (sqlite3.OperationalError, TypeError) as error:
            raise InvalidRequest(f"{str(database)!r} is no database of Repertory: {error}.") from error
    return _Named(str(revision), [(str(name), int(version)) for name, version in versions], sorted(set(blobs)))


def _add(archive: tarfile.TarFile, path: Path, name: str) -> FileEntry:
    """Add a file and return what its bytes were on the way."""
    info = tarfile.TarInfo(name)
    with path.open("rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        info.mode = 0o600
        archive.format = _format_of(info)
        reader = _Hashing(file)
        archive.addfile(info, reader)
    return FileEntry(size=info.size, sha256=reader.digest.hexdigest())


def _format_of(info: tarfile.TarInfo) -> Literal[0, 1]:
    """Return the format whose plain header holds this name and size."""
    if info.size <= _LARGEST_OF_USTAR:
        return tarfile.USTAR_FORMAT
    if len(info.name) > _LONGEST_OF_GNU:
        raise TooLarge(
            f"No backup was made: {info.name!r} has {info.size} bytes, and a file of 8 GiB or more needs a name "
            f"of at most {_LONGEST_OF_GNU} characters in a backup. Take the file out of the data directory.",
            code="backup_file_too_large",
        )
    return tarfile.GNU_FORMAT


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = _CHUNK) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _failed(target: Path, error: Exception) -> Unavailable:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Unavailable(
        f"No backup was made at {str(target)!r}: {reason}. Check the folder and its free space; it has to hold a "
        "copy of the database beside the backup for a while.",
        code="backup_failed",
    )
