"""Uploaded files in the database, each its owner's alone. Blocking; knows no HTTP and no vector stores.

A row is written once its bytes are on disk, and bytes go once no row names them.
"""

import contextlib
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, insert, or_, select

from core.blobs import Blobs, Draft
from core.callbacks import nothing
from core.clock import Clock
from core.database import Database
from core.errors import NotFound, Unavailable
from core.ids import new_id
from core.paging import Page, Slice, page_of
from server.files.file import RESULTS, StoredFile
from server.files.tables import files

_COLUMNS = [column for column in files.c if column.name != "seq"]


@dataclass(frozen=True, slots=True)
class NewFile:
    """What is said of bytes that come in; `expires_in` is in seconds, `id` is chosen where None."""

    principal: str
    filename: str
    purpose: str
    expires_in: int | None = None
    id: str | None = None


class Files:
    """All uploaded files of a server.

    Args:
        database: holds their rows.
        blobs: hold their bytes.
        clock: says when they were made and whether they have expired.
    """

    def __init__(self, database: Database, blobs: Blobs, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._changing = threading.Lock()  # no blob goes between its arrival and its row
        self.blobs = blobs

    def add(self, draft: Draft, new: NewFile) -> StoredFile:
        """Keep a finished draft as a file.

        Raises:
            Unavailable: the disk is full, or the database is locked.
        """
        now = self._clock()
        stored = StoredFile(
            id=new.id or new_id("file"),
            principal=new.principal,
            filename=new.filename,
            purpose=new.purpose,
            bytes=draft.size,
            sha256=draft.sha256,
            created_at=now,
            expires_at=None if new.expires_in is None else now + new.expires_in,
        )
        with self._changing:
            self.blobs.keep(draft)
            try:
                with self._database.write() as connection:
                    connection.execute(
                        insert(files).values({column.name: getattr(stored, column.name) for column in _COLUMNS})
                    )
            except Unavailable:  # on a full disk, bytes that no row names would stand in the way of all others
                with self._database.read() as connection:
                    self._drop_unnamed(connection, stored.sha256)
                raise
        return stored

    def add_result(self, draft: Draft, principal: str, filename: str, *, of: str) -> StoredFile:
        """Keep a finished draft as a result of the job `of`; one that is kept already is returned.

        Raises:
            Unavailable: the disk is full, or the database is locked.
        """
        named = hashlib.sha256(f"{of}/{filename}".encode()).hexdigest()[:24]
        new = NewFile(principal, filename, RESULTS, id=f"file-{named}")
        with contextlib.suppress(NotFound):
            return self.get(f"file-{named}", principal)
        return self.add(draft, new)

    def list(self, principal: str, wanted: Slice, purpose: str | None = None) -> Page[StoredFile]:
        """Return a page of the files of `principal`.

        Raises:
            NotFound: `after` names none of them.
        """
        owned = self._visible(principal)
        if purpose is not None:
            owned = (*owned, files.c.purpose == purpose)
        with self._database.read() as connection:
            rows = page_of(connection, select(files).where(*owned), files.c.seq, files.c.id, wanted)
        return rows.of(_stored)

    def get(self, file_id: str, principal: str) -> StoredFile:
        """Return a file of `principal`.

        Raises:
            NotFound: there is none of this id, or it is another's.
        """
        query = select(files).where(files.c.id == file_id, *self._visible(principal))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise _no_file(file_id)
        return _stored(row)

    def check(self, connection: Connection, file_id: str) -> None:
        """Make sure in the caller's transaction that a file is still there.

        Raises:
            NotFound: it is not.
        """
        if connection.execute(select(files.c.id).where(files.c.id == file_id)).first() is None:
            raise _no_file(file_id)

    def delete(self, file_id: str, within: Callable[[Connection], None] = nothing) -> None:
        """Delete a file; its bytes go, too, unless another file has the same.

        Args:
            file_id: which.
            within: called in the same transaction, so that the file leaves all places at once.
        """
        with self._changing:
            with self._database.write() as connection:
                within(connection)
                sha256 = connection.execute(select(files.c.sha256).where(files.c.id == file_id)).scalar()
                connection.execute(delete(files).where(files.c.id == file_id))
                kept = connection.execute(select(exists().where(files.c.sha256 == sha256))).scalar_one()
            if sha256 is not None and not kept:
                self.blobs.remove(sha256)

    def expired(self) -> tuple[str, ...]:
        """Return the ids of files whose time is over and that are still there."""
        query = select(files.c.id).where(files.c.expires_at <= self._clock())
        with self._database.read() as connection:
            return tuple(connection.execute(query).scalars())

    def drop_orphans(self, stopped: Callable[[], bool]) -> None:
        """Remove blobs that no row names: what a crash between bytes and row left behind."""
        for sha256 in self.blobs.held():
            if stopped():
                return
            with self._changing, self._database.read() as connection:
                self._drop_unnamed(connection, sha256)

    def _drop_unnamed(self, connection: Connection, sha256: str) -> None:
        if not connection.execute(select(exists().where(files.c.sha256 == sha256))).scalar_one():
            self.blobs.remove(sha256)

    def _visible(self, principal: str) -> tuple[ColumnElement[bool], ...]:
        alive = or_(files.c.expires_at.is_(None), files.c.expires_at > self._clock())
        return (files.c.principal == principal, alive)


def _no_file(file_id: str) -> NotFound:
    return NotFound(f"No such file: {file_id!r}.", code="file_not_found", param="file_id")


def _stored(row: Row[tuple[object, ...]]) -> StoredFile:
    return StoredFile(**{column.name: row._mapping[column.name] for column in _COLUMNS})
