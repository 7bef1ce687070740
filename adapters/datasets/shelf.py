"""The data sets of a server: versions that never change, their bytes by content, their rows in the database.

Bytes are on the disk before the row that names them, and both within one transaction of the only writer, so that
whatever ends the process leaves a version whole or absent. Knows no check: what it is given is sound.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from adapters import tables
from adapters.datasets.reading import Format
from adapters.datasets.version import DatasetVersion, Part, Reference
from core.blobs import Blobs, Draft
from core.clock import Clock, system_clock
from core.database import Database
from core.errors import InvalidRequest, NotFound

_ABANDONED = 86_400.0  # seconds after which nobody goes on with a draft
_TICK = 1e-3  # seconds by which a split is newer than the one before it, whatever the clock says
_COLUMNS = tuple(column.name for column in tables.datasets.c)


@dataclass(frozen=True, slots=True)
class NewDataset:
    """What is known of bytes that come in."""

    name: str
    rows: int
    format: Format
    label_key: str
    source: str
    source_sha256: str
    personal_data: Mapping[str, object]
    warnings: Mapping[str, int]
    by: str


@dataclass(frozen=True, slots=True)
class NewPart:
    """One part of a split: its rows as they stand in the data set."""

    name: str
    rows: Sequence[bytes]
    groups: int


class Datasets:
    """Data sets in a database and a folder.

    Args:
        database: holds the rows; its tables exist.
        root: the folder of the bytes.
        clock: tells the time.
    """

    def __init__(self, database: Database, root: Path, clock: Clock = system_clock) -> None:
        self._database = database
        self._blobs = Blobs(root)
        self._clock = clock

    def draft(self) -> Draft:
        """Begin to take bytes in.

        Raises:
            Unavailable: the folder cannot be written, or the disk is full.
        """
        return self._blobs.draft()

    def add(self, draft: Draft, new: NewDataset) -> DatasetVersion:
        """Keep a finished draft as the next version; bytes that are there already make no new one.

        Of those only the key of the label is taken over, by which later splits and checks go.

        Raises:
            InvalidRequest: the name is bad.
            Unavailable: the disk is full, or the database is locked.
        """
        reference = Reference.parse(new.name)
        if reference.version is not None or reference.part is not None:
            raise InvalidRequest(f"{new.name!r} is no plain name.", code="dataset_name_invalid", param="name")
        with self._database.write() as connection:
            self._sweep(connection)
            here = (tables.datasets.c.name == new.name) & (tables.datasets.c.sha256 == draft.sha256)
            found = connection.execute(select(tables.datasets).where(here)).one_or_none()
            if found is not None:
                place = self._blobs.path(draft.sha256)
                if place.is_file() and _hash_of(place) != draft.sha256:
                    self._blobs.remove(draft.sha256)  # damaged: what came in now takes their place
                self._blobs.keep(draft)
                connection.execute(update(tables.datasets).where(here).values(label_key=new.label_key))
                return replace(self._whole(connection, found), label_key=new.label_key)
            highest = select(func.max(tables.datasets.c.version)).where(tables.datasets.c.name == new.name)
            version = DatasetVersion(
                name=new.name,
                version=(connection.execute(highest).scalar() or 0) + 1,
                sha256=draft.sha256,
                bytes=draft.size,
                rows=new.rows,
                format=new.format,
                label_key=new.label_key,
                source=new.source,
                source_sha256=new.source_sha256,
                personal_data=new.personal_data,
                warnings=new.warnings,
                by=new.by,
                created_at=self._clock(),
            )
            self._blobs.keep(draft)
            row = {name: getattr(version, name) for name in _COLUMNS} | {"format": version.format.value}
            connection.execute(insert(tables.datasets).values(row))
        return version

    def add_split(
        self, version: DatasetVersion, split: str, parts: Iterable[NewPart], settings: Mapping[str, object]
    ) -> DatasetVersion:
        """Keep the parts of a split; of one that is there already only the time is renewed.

        Names of parts mean those of the split that was asked for last.

        Raises:
            Unavailable: the disk is full, or the database is locked.
        """
        drafts = list[tuple[NewPart, Draft]]()
        try:
            for part in parts:
                draft = self._blobs.draft()
                drafts.append((part, draft))
                draft.write(b"".join(row + b"\n" for row in part.rows))
                draft.finish()
            with self._database.write() as connection:
                held, table = self._parts(connection, version), tables.dataset_parts
                now = max([self._clock(), *(part.created_at + _TICK for part in held if part.split != split)])
                if all(part.split != split for part in held):
                    for position, (part, draft) in enumerate(drafts):
                        self._blobs.keep(draft)
                        row = {
                            "name": version.name,
                            "version": version.version,
                            "split": split,
                            "part": part.name,
                            "position": position,
                            "sha256": draft.sha256,
                            "rows": len(part.rows),
                            "groups": part.groups,
                            "settings": dict(settings),
                            "created_at": now,
                        }
                        connection.execute(insert(table).values(row))
                else:
                    mine = table.c.name == version.name, table.c.version == version.version, table.c.split == split
                    connection.execute(update(table).where(*mine).values(created_at=now))
                return replace(version, parts=self._parts(connection, version))
        finally:
            for _, draft in drafts:
                draft.discard()

    def list(self, name: str | None = None) -> list[DatasetVersion]:
        """Return all versions, or those of one data set, by name and number."""
        query = select(tables.datasets).order_by(tables.datasets.c.name, tables.datasets.c.version)
        if name is not None:
            query = query.where(tables.datasets.c.name == name)
        with self._database.read() as connection:
            return [self._whole(connection, row) for row in connection.execute(query)]

    def get(self, reference: Reference) -> DatasetVersion:
        """Return a version; without a number the newest.

        Raises:
            NotFound: there is none.
        """
        found = [one for one in self.list(reference.name) if reference.version in (None, one.version)]
        if not found:
            named = reference.name if reference.version is None else f"{reference.name}@{reference.version}"
            raise NotFound(
                f"There is no data set {named!r}. `repertory dataset show` lists them.", code="dataset_not_found"
            )
        return found[-1]

    def file(self, reference: Reference) -> Path:
        """Return the file of a version, or of a part of its newest split; it is never changed.

        Raises:
            NotFound: there is no such version or part.
            InvalidRequest: its bytes are gone or changed.
        """
        version = self.get(reference)
        if reference.part is None:
            return self._sound(version.sha256, version.reference)
        newest = {one.name: one for one in version.parts if one.split == version.parts[0].split}
        if reference.part not in newest:
            raise NotFound(
                f"{version.reference} has no part {reference.part!r}. "
                f"`repertory dataset split {version.reference}` makes parts.",
                code="dataset_part_not_found",
            )
        return self.part_file(newest[reference.part])

    def part_file(self, part: Part) -> Path:
        """Return the file of a part.

        Raises:
            InvalidRequest: its bytes are gone or changed.
        """
        return self._sound(part.sha256, f"part {part.name!r}")

    def _sound(self, sha256: str, what: str) -> Path:
        path = self._blobs.path(sha256)
        if not path.is_file() or _hash_of(path) != sha256:
            raise InvalidRequest(
                f"The bytes of {what} are gone or changed. Restore {str(path)!r} from a backup, or import the "
                "data set again.",
                code="dataset_damaged",
            )
        return path

    def _whole(self, connection: Connection, row: Row[Any]) -> DatasetVersion:
        values = {name: row._mapping[name] for name in _COLUMNS}
        version = DatasetVersion(**values | {"format": Format(values["format"])})
        return replace(version, parts=self._parts(connection, version))

    def _parts(self, connection: Connection, version: DatasetVersion) -> tuple[Part, ...]:
        table = tables.dataset_parts
        query = (
            select(table)
            .where(table.c.name == version.name, table.c.version == version.version)
            .order_by(table.c.created_at.desc(), table.c.split, table.c.position)
        )
        return tuple(
            Part(row.part, row.split, row.sha256, row.rows, row.groups, row.settings, row.created_at)
            for row in connection.execute(query)
        )

    def _sweep(self, connection: Connection) -> None:
        """Remove what a crash left: bytes without a row, and drafts that nobody goes on with."""
        self._blobs.drop_drafts(idle=_ABANDONED)
        named = {*connection.execute(select(tables.datasets.c.sha256)).scalars()}
        named |= {*connection.execute(select(tables.dataset_parts.c.sha256)).scalars()}
        for sha256 in self._blobs.held():
            if sha256 not in named:
                self._blobs.remove(sha256)


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
