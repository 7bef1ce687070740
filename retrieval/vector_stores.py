"""Vector stores: made, found, shared, deleted; each belongs to the principal that made it. Blocking.

Whoever may not read a store is told that there is none. What stands in one is `store_files`' concern.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, delete, exists, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from core.callbacks import nothing
from core.clock import Clock
from core.database import Database
from core.errors import NotFound, PermissionDenied
from core.ids import new_id
from core.paging import Page, Slice, page_of
from retrieval import shelf
from retrieval.access import alive, readable
from retrieval.records import UPLOADS, TextEmbedder
from retrieval.tables import attributes, batches, documents, entries, shares, stores, vector_stores
from retrieval.vector_store import FileStatus, VectorStore

_DAY = 86_400
_NOTED_AFTER = 60.0  # seconds: not every search is worth a transaction
_REMOVED_AT_ONCE = 16


class VectorStores:
    """All vector stores of a server.

    Args:
        database: holds them.
        embedder: whose vectors a new store will hold.
        clock: says when, and whether a store has expired.
    """

    def __init__(self, database: Database, embedder: TextEmbedder, clock: Clock) -> None:
        self._database = database
        self._embedder = embedder
        self._clock = clock

    def create(
        self,
        principal: str,
        *,
        title: str = "",
        description: str | None = None,
        labels: Mapping[str, str] | None = None,
        expires_days: int | None = None,
        within: Callable[[Connection, str], None] = nothing,
    ) -> VectorStore:
        """Make a store of `principal`; `within` is called with its id in the transaction that makes it."""
        now, store_id = self._clock(), new_id(UPLOADS.rstrip("_"), "_")
        with self._database.write() as connection:
            values = {
                "id": store_id,
                "principal": principal,
                "title": title,
                "description": description,
                "labels": dict(labels or {}),
                "expires_days": expires_days,
                "created_at": now,
                "last_active_at": now,
                "expires_at": None if expires_days is None else now + expires_days * _DAY,
            }
            made = connection.execute(insert(vector_stores).values(values)).inserted_primary_key
            assert made is not None  # noqa: S101 - one row was inserted
            shelf.add_store(
                connection, -int(made[0]), store_id, "", self._embedder.model_id, self._embedder.dimensions
            )
            within(connection, store_id)
        return self.get(store_id, principal)

    def list(self, reader: str, wanted: Slice) -> Page[VectorStore]:
        """Return a page of the stores that `reader` may read.

        Raises:
            NotFound: `after` or `before` is none of them.
        """
        query = _with_counts().where(readable(reader))
        with self._database.read() as connection:
            page = page_of(connection, query, vector_stores.c.seq, vector_stores.c.id, wanted)
        return page.of(self._shown)

    def get(self, store_id: str, reader: str) -> VectorStore:
        """Return a store that `reader` may read.

        Raises:
            NotFound: there is none, or they may not.
        """
        query = _with_counts().where(vector_stores.c.id == store_id, readable(reader))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise no_store(store_id)
        return self._shown(row)

    def owned(self, store_id: str, principal: str) -> VectorStore:
        """Return a store of `principal`'s own, which they may change.

        Raises:
            NotFound: there is none, or they may not even read it.
            PermissionDenied: it is shared with them, to read.
        """
        store = self.get(store_id, principal)
        if store.principal != principal:
            raise PermissionDenied(
                f"The vector store {store_id!r} is shared with you to be read. Only its owner changes it.",
                code="store_read_only",
            )
        return store

    def modify(self, store_id: str, **changes: object) -> None:
        """Set columns of a store; a change of `expires_days` begins its days anew."""
        with self._database.write() as connection:
            connection.execute(update(vector_stores).where(vector_stores.c.id == store_id).values(**changes))
            _note(connection, store_id, self._clock())

    def touch(self, store_id: str) -> None:
        """Note that a store is in use; its days to expiry begin anew."""
        now = self._clock()
        query = select(vector_stores.c.last_active_at).where(vector_stores.c.id == store_id, alive(now))
        with self._database.read() as connection:
            noted = connection.execute(query).scalar()
        if noted is not None and now - noted >= _NOTED_AFTER:
            with self._database.write() as connection:
                _note(connection, store_id, now)

    def delete(self, store_id: str) -> None:
        """Delete a store with all that stands in it; from the first transaction on nobody finds anything there."""
        with self._database.write() as connection:
            _drop_files(connection, entries.c.vector_store == store_id)
            connection.execute(delete(batches).where(batches.c.vector_store == store_id))
            connection.execute(delete(shares).where(shares.c.vector_store == store_id))
            connection.execute(delete(vector_stores).where(vector_stores.c.id == store_id))
        self.sweep()

    def sweep(self) -> None:
        """Remove what is left of deleted stores, and the files of expired ones."""
        with self._database.write() as connection:
            over = select(vector_stores.c.id).where(vector_stores.c.expires_at <= self._clock())
            _drop_files(connection, entries.c.vector_store.in_(over))
        while self._swept():
            pass

    def readers(self, store_id: str) -> tuple[str, ...]:
        """Return whom a store is shared with, the owner left out."""
        query = select(shares.c.reader).where(shares.c.vector_store == store_id).order_by(shares.c.reader)
        with self._database.read() as connection:
            return tuple(connection.execute(query).scalars())

    def share(self, store_id: str, reader: str) -> None:
        """Let `reader` (a principal, or `everyone`) read a store."""
        with self._database.write() as connection:
            connection.execute(
                upsert(shares).values(vector_store=store_id, reader=reader).on_conflict_do_nothing()
            )

    def unshare(self, store_id: str, reader: str) -> None:
        """Let `reader` read a store no more, from the next search on.

        Raises:
            NotFound: it was not shared with them.
        """
        gone = delete(shares).where(shares.c.vector_store == store_id, shares.c.reader == reader)
        with self._database.write() as connection:
            if not connection.execute(gone).rowcount:
                raise NotFound(f"The store is not shared with {reader!r}.", code="share_not_found", param="reader")

    def _swept(self) -> bool:
        """Remove a few documents that no file stands for, else stores that are gone; tell whether any document."""
        live = select(entries.c.document_id).where(entries.c.document_id == documents.c.id).exists()
        stray = (
            select(documents.c.id, stores.c.name)
            .join(stores, stores.c.id == documents.c.store_id)
            .where(stores.c.id < 0, ~live)
            .limit(_REMOVED_AT_ONCE)
        )
        with self._database.write() as connection:
            found = connection.execute(stray).all()
            for document, name in found:
                store = shelf.find_store(connection, name)
                assert store is not None  # noqa: S101 - joined in this very transaction
                shelf.remove_document(connection, store, document)
            if not found:
                named = exists().where(vector_stores.c.id == stores.c.name)
                connection.execute(delete(stores).where(stores.c.id < 0, ~named))
                return False
        return True

    def _shown(self, row: Row[Any]) -> VectorStore:
        names = ("id", "principal", "title", "description", "labels", "expires_days")
        times = ("created_at", "last_active_at", "expires_at", "usage_bytes")
        return VectorStore(
            **{name: row._mapping[name] for name in (*names, *times)},
            counts=counted(row),
            expired=row.expires_at is not None and row.expires_at <= self._clock(),
        )


def counts() -> list[Any]:
    """Return the columns that count files by status."""
    return [
        func.coalesce(func.sum(case((entries.c.status == status.value, 1), else_=0)), 0).label(
            f"files_{status.value}"
        )
        for status in FileStatus
    ]


def counted(row: Row[Any]) -> dict[FileStatus, int]:
    """Return status → how many files, of a row with the columns of `counts`."""
    return {status: row._mapping[f"files_{status.value}"] for status in FileStatus}


def no_store(store_id: str) -> NotFound:
    """Return what is said of a store that is not there, or not for this caller."""
    return NotFound(f"No such vector store: {store_id!r}.", code="vector_store_not_found", param="vector_store_id")


def _with_counts() -> Any:
    usage = func.coalesce(func.sum(entries.c.usage_bytes), 0).label("usage_bytes")
    return (
        select(vector_stores, usage, *counts())
        .outerjoin(entries, entries.c.vector_store == vector_stores.c.id)
        .group_by(vector_stores.c.seq)
    )


def _drop_files(connection: Connection, which: ColumnElement[bool]) -> None:
    gone = select(entries.c.seq).where(which)
    connection.execute(delete(attributes).where(attributes.c.entry.in_(gone)))
    connection.execute(delete(entries).where(which))


def _note(connection: Connection, store_id: str, now: float) -> None:
    connection.execute(
        update(vector_stores)
        .where(vector_stores.c.id == store_id)
        .values(last_active_at=now, expires_at=now + vector_stores.c.expires_days * _DAY)
    )
