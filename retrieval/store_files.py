"""Files of vector stores: added, looked at, changed, removed, alone and in batches. Blocking.

Adding writes a row that waits; `ingest` takes it from there. Removing takes the document out in the same
transaction, so that no later search finds a passage of it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from core.callbacks import nothing
from core.clock import Clock
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.paging import Page, Slice, page_of
from retrieval import shelf
from retrieval.tables import attributes, batches, entries, vector_stores
from retrieval.vector_store import Batch, FileStatus, Sizes, StoreFile, Upload, Value
from retrieval.vector_stores import counted, counts, no_store

_FIELDS = (
    "vector_store",
    "file_id",
    "filename",
    "error_code",
    "error_message",
    "attributes",
    "usage_bytes",
    "created_at",
    "document_id",
)


class StoreFiles:
    """The files of all vector stores; the caller has checked who may touch the store.

    Args:
        database: holds them.
        clock: says when they were added.
        check: called with a file's id in the transaction that adds it; raises if it has gone meanwhile.
    """

    def __init__(
        self, database: Database, clock: Clock, check: Callable[[Connection, str], None] = nothing
    ) -> None:
        self._database = database
        self._clock = clock
        self._check = check

    def add(self, store_id: str, upload: Upload) -> StoreFile:
        """Add a file; it is searchable once its status is `completed`. One that is there is taken in anew.

        Raises:
            NotFound: the store or the file has gone meanwhile.
        """
        with self._database.write() as connection:
            self.put(connection, store_id, [upload])
        return self.get(store_id, upload.file_id)

    def add_batch(self, store_id: str, uploads: Sequence[Upload]) -> Batch:
        """Add files together.

        Raises:
            NotFound: the store or a file has gone meanwhile.
        """
        batch_id = new_id("vsfb", "_")
        with self._database.write() as connection:
            connection.execute(
                insert(batches).values(
                    id=batch_id, vector_store=store_id, cancelled=False, created_at=self._clock()
                )
            )
            for upload in uploads:
                self._put(connection, store_id, upload, batch_id)
        return self.batch(store_id, batch_id)

    def list(
        self, store_id: str, wanted: Slice, *, status: str | None = None, batch: str | None = None
    ) -> Page[StoreFile]:
        """Return a page of a store's files.

        Raises:
            NotFound: `after` or `before` is none of them.
        """
        query = select(entries).where(entries.c.vector_store == store_id)
        if status is not None:
            query = query.where(entries.c.status == status)
        if batch is not None:
            query = query.where(entries.c.batch == batch)
        with self._database.read() as connection:
            return page_of(connection, query, entries.c.seq, entries.c.file_id, wanted).of(_file)

    def get(self, store_id: str, file_id: str) -> StoreFile:
        """Return a file of a store.

        Raises:
            NotFound: it is not in the store.
        """
        with self._database.read() as connection:
            return _file(_known(connection, store_id, file_id))

    def set_attributes(self, store_id: str, file_id: str, values: Mapping[str, Value]) -> StoreFile:
        """Put other attributes in the place of a file's; filters heed them from the next search on.

        Raises:
            NotFound: it is not in the store.
        """
        with self._database.write() as connection:
            seq = _known(connection, store_id, file_id).seq
            connection.execute(update(entries).where(entries.c.seq == seq).values(attributes=dict(values)))
            _put_attributes(connection, seq, values)
        return self.get(store_id, file_id)

    def remove(self, store_id: str, file_id: str) -> None:
        """Take a file out of a store; it stays a file.

        Raises:
            NotFound: it is not in the store.
        """
        with self._database.write() as connection:
            _remove(connection, _known(connection, store_id, file_id))

    def put(self, connection: Connection, store_id: str, uploads: Sequence[Upload]) -> None:
        """Add files in the caller's transaction, such as the one that makes their store."""
        for upload in uploads:
            self._put(connection, store_id, upload, None)

    def remove_everywhere(self, connection: Connection, file_id: str) -> None:
        """Take a file out of every store, in the transaction that deletes it."""
        for row in connection.execute(select(entries).where(entries.c.file_id == file_id)).all():
            _remove(connection, row)

    def text(self, store_id: str, file_id: str) -> str:
        """Return what was read of a file.

        Raises:
            NotFound: it is not in the store.
            Conflict: it is not read yet, or was not readable.
        """
        with self._database.read() as connection:
            row = _known(connection, store_id, file_id)
            document = shelf.find_document(connection, row.document_id) if row.document_id else None
        if document is None:
            raise Conflict(
                f"There is no text of {file_id!r} yet: its status is {row.status!r}.", code="file_not_completed"
            )
        return document.text

    def of_documents(self, store_id: str, documents: Collection[str]) -> dict[str, StoreFile]:
        """Return document → the file of the store that it was read from."""
        query = select(entries).where(
            entries.c.vector_store == store_id, entries.c.document_id.in_(list(documents))
        )
        with self._database.read() as connection:
            return {row.document_id: _file(row) for row in connection.execute(query)}

    def batch(self, store_id: str, batch_id: str) -> Batch:
        """Return a batch of a store.

        Raises:
            NotFound: the store has none of this id.
        """
        query = (
            select(batches, *counts())
            .outerjoin(entries, entries.c.batch == batches.c.id)
            .where(batches.c.id == batch_id, batches.c.vector_store == store_id)
            .group_by(batches.c.id)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound(f"No such file batch: {batch_id!r}.", code="file_batch_not_found", param="batch_id")
        return Batch(row.id, row.vector_store, row.cancelled, row.created_at, counted(row))

    def cancel(self, store_id: str, batch_id: str) -> Batch:
        """Take in no more files of a batch; those that are completed stay.

        Raises:
            NotFound: the store has none of this id.
        """
        waiting = (entries.c.batch == batch_id, entries.c.status == FileStatus.IN_PROGRESS.value)
        batch = self.batch(store_id, batch_id)
        if batch.counts[FileStatus.IN_PROGRESS]:
            with self._database.write() as connection:
                gone = update(entries).where(*waiting).values(status=FileStatus.CANCELLED.value)
                if connection.execute(gone).rowcount:
                    connection.execute(update(batches).where(batches.c.id == batch_id).values(cancelled=True))
        return self.batch(store_id, batch_id)

    def _put(self, connection: Connection, store_id: str, upload: Upload, batch: str | None) -> None:
        self._check(connection, upload.file_id)
        if connection.execute(select(vector_stores.c.id).where(vector_stores.c.id == store_id)).first() is None:
            raise no_store(store_id)
        here = (entries.c.vector_store == store_id, entries.c.file_id == upload.file_id)
        if (row := connection.execute(select(entries).where(*here)).one_or_none()) is not None:
            _remove(connection, row)
        made = connection.execute(
            insert(entries).values(
                vector_store=store_id,
                file_id=upload.file_id,
                batch=batch,
                filename=upload.filename,
                bytes=upload.bytes,
                sha256=upload.sha256,
                status=FileStatus.IN_PROGRESS.value,
                attempts=0,
                attributes=dict(upload.attributes),
                max_tokens=upload.sizes.max_tokens if upload.sizes else None,
                overlap_tokens=upload.sizes.overlap_tokens if upload.sizes else None,
                usage_bytes=0,
                created_at=self._clock(),
            )
        ).inserted_primary_key
        assert made is not None  # noqa: S101 - one row was inserted
        _put_attributes(connection, int(made[0]), upload.attributes)


def _put_attributes(connection: Connection, seq: int, values: Mapping[str, Value]) -> None:
    connection.execute(delete(attributes).where(attributes.c.entry == seq))
    rows = [
        {
            "entry": seq,
            "key": key,
            "text": value if isinstance(value, str) else None,
            "number": float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None,
            "flag": value if isinstance(value, bool) else None,
        }
        for key, value in values.items()
    ]
    if rows:
        connection.execute(insert(attributes), rows)


def _remove(connection: Connection, row: Row[Any]) -> None:
    if row.document_id is not None:
        store = shelf.find_store(connection, row.vector_store)
        assert store is not None  # noqa: S101 - it goes after its files
        shelf.remove_document(connection, store, row.document_id)
    connection.execute(delete(attributes).where(attributes.c.entry == row.seq))
    connection.execute(delete(entries).where(entries.c.seq == row.seq))


def _known(connection: Connection, store_id: str, file_id: str) -> Row[Any]:
    query: Select[Any] = select(entries).where(entries.c.vector_store == store_id, entries.c.file_id == file_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(
            f"No file {file_id!r} in the vector store {store_id!r}.", code="file_not_found", param="file_id"
        )
    return row


def _file(row: Row[Any]) -> StoreFile:
    sizes = None if row.max_tokens is None else Sizes(row.max_tokens, row.overlap_tokens)
    fields = {name: row._mapping[name] for name in _FIELDS}
    return StoreFile(**fields, status=FileStatus(row.status), sizes=sizes)
