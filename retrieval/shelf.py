"""The rows of one store: documents, passages and vectors in the database. Knows SQL, no files and no model.

Every function takes an open connection, so that the caller says what belongs to one transaction.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Column, ColumnElement, Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from core.errors import NotFound
from retrieval.attribute_filter import Filter, condition
from retrieval.records import DOCUMENTS, Document, FileFailure, FileWarning, Passage, StoreStatus, Vectors
from retrieval.splitting import Piece, embedding_text
from retrieval.tables import documents, entries, file_failures, passages, removals, stores, vectors
from retrieval.vector_index import Rows
from retrieval.word_index import PassageWords

_CHUNK = 500  # SQLite takes a limited number of bound values in a statement


@dataclass(frozen=True, slots=True)
class Store:
    """A store's row."""

    id: int
    name: str
    folder: str
    embedder: str
    dimensions: int
    generation: int
    index_sha256: str | None
    index_count: int | None
    synced_at: float | None
    index_embedder: str | None = None
    index_kind: str | None = None
    index_recall: float | None = None
    words_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document that is ready to be written; `hashes[n]` names the vector of `pieces[n]`."""

    id: str
    path: str
    title: str
    text: str
    content_hash: str
    pieces: Sequence[Piece]
    hashes: Sequence[str]
    warning: str = ""


def document_id(store: str, path: str) -> str:
    """Return the id that a path of a store always has, so that old citations keep leading somewhere."""
    return DOCUMENTS + hashlib.sha256(f"{store}\0{path}".encode()).hexdigest()[:24]


def find_store(connection: Connection, name: str) -> Store | None:
    """Return a store by its name."""
    row = connection.execute(select(stores).where(stores.c.name == name)).one_or_none()
    return _store(row._mapping) if row else None


def present_store(connection: Connection, name: str, store_id: int | None = None) -> Store:
    """Return a store by its name.

    Args:
        connection: an open one.
        name: of the store.
        store_id: the number that it must have: one of the same name may have taken its place.

    Raises:
        NotFound: it is gone.
    """
    store = find_store(connection, name)
    if store is None or store_id not in (None, store.id):
        raise NotFound(f"The knowledge store {name!r} is gone.")
    return store


def store_numbers(connection: Connection) -> set[int]:
    """Return the number of every store."""
    return set(connection.execute(select(stores.c.id)).scalars())


def create_store(connection: Connection, name: str, folder: str, embedder: str, dimensions: int) -> Store:
    """Add an empty store of a folder."""
    latest = connection.execute(select(func.max(stores.c.id))).scalar() or 0
    return add_store(connection, max(0, latest) + 1, name, folder, embedder, dimensions)


def add_store(
    connection: Connection, store_id: int, name: str, folder: str, embedder: str, dimensions: int
) -> Store:
    """Add an empty store under a number that no store has had; those of folders are above 0, others below."""
    values = {"name": name, "folder": folder, "embedder": embedder, "dimensions": dimensions, "generation": 0}
    connection.execute(insert(stores).values(id=store_id, **values))
    store = find_store(connection, name)
    assert store is not None  # noqa: S101 - written in this very transaction
    return store


def change_store(connection: Connection, store_id: int, **values: object) -> None:
    """Set columns of a store."""
    connection.execute(update(stores).where(stores.c.id == store_id).values(**values))


def content_hashes(connection: Connection, store_id: int) -> dict[str, str]:
    """Return path → content hash of what the store holds."""
    query = select(documents.c.path, documents.c.content_hash).where(documents.c.store_id == store_id)
    return {row.path: row.content_hash for row in connection.execute(query)}


def warnings(connection: Connection, store_id: int) -> list[FileWarning]:
    """Return what was left out of the documents that the store holds."""
    query = (
        select(documents.c.path, documents.c.warning)
        .where(documents.c.store_id == store_id, documents.c.warning.is_not(None))
        .order_by(documents.c.path)
    )
    return [FileWarning(row.path, row.warning) for row in connection.execute(query)]


def failures(connection: Connection, store_id: int) -> list[FileFailure]:
    """Return the files that the last sync could not take in."""
    query = select(file_failures.c.path, file_failures.c.reason).where(file_failures.c.store_id == store_id)
    return [FileFailure(row.path, row.reason) for row in connection.execute(query.order_by(file_failures.c.path))]


def keep_failures(connection: Connection, store_id: int, found: Sequence[FileFailure]) -> None:
    """Remember the files that a sync could not take in, in the place of those of the sync before."""
    connection.execute(delete(file_failures).where(file_failures.c.store_id == store_id))
    if found:
        rows = [{"store_id": store_id, "path": one.path, "reason": one.reason} for one in found]
        connection.execute(insert(file_failures), rows)


def put_document(
    connection: Connection, store: Store, document: NewDocument, new_vectors: Mapping[str, bytes]
) -> None:
    """Replace a document with its passages and those vectors that are not yet there."""
    remove_document(connection, store, document.id)
    connection.execute(
        insert(documents).values(
            id=document.id,
            store_id=store.id,
            path=document.path,
            title=document.title,
            text=document.text,
            content_hash=document.content_hash,
            warning=document.warning or None,
        )
    )
    put_vectors(connection, store.embedder, new_vectors)
    rows = [
        {
            "id": f"{document.id}:{piece.start}-{piece.end}",
            "store_id": store.id,
            "document_id": document.id,
            "title": document.title,
            "heading": piece.heading,
            "text": piece.text,
            "start": piece.start,
            "end": piece.end,
            "text_hash": text_hash,
            "page": piece.page,
        }
        for piece, text_hash in zip(document.pieces, document.hashes, strict=True)
    ]
    connection.execute(insert(passages), rows)


def remove_document(connection: Connection, store: Store, document: str) -> None:
    """Remove a document and all that hangs on it but the vectors; count the store's generation up."""
    connection.execute(delete(passages).where(passages.c.document_id == document))
    connection.execute(delete(documents).where(documents.c.id == document))
    change_store(connection, store.id, generation=stores.c.generation + 1)


def put_vectors(connection: Connection, embedder: str, new_vectors: Mapping[str, bytes]) -> None:
    """Remember vectors by the hash of the embedded text."""
    if new_vectors:
        rows = [{"embedder": embedder, "text_hash": key, "vector": vector} for key, vector in new_vectors.items()]
        connection.execute(upsert(vectors).on_conflict_do_nothing(), rows)


def missing_vectors(connection: Connection, embedder: str, hashes: Iterable[str]) -> set[str]:
    """Return those of `hashes` that `embedder` has not embedded yet."""
    wanted = list(dict.fromkeys(hashes))
    known: set[str] = set()
    for first in range(0, len(wanted), _CHUNK):
        query = select(vectors.c.text_hash).where(
            vectors.c.embedder == embedder, vectors.c.text_hash.in_(wanted[first : first + _CHUNK])
        )
        known.update(connection.execute(query).scalars())
    return set(wanted) - known


def unembedded_passages(connection: Connection, store_id: int, embedder: str, limit: int) -> dict[str, str]:
    """Return hash → embedding text of passages without a vector of `embedder`, at most `limit`."""
    query = (
        select(passages.c.text_hash, passages.c.title, passages.c.heading, passages.c.text)
        .outerjoin(vectors, (vectors.c.text_hash == passages.c.text_hash) & (vectors.c.embedder == embedder))
        .where(passages.c.store_id == store_id, vectors.c.text_hash.is_(None))
        .limit(limit)
    )
    return {key: embedding_text(title, heading, words) for key, title, heading, words in connection.execute(query)}


def any_unused_vectors(connection: Connection) -> bool:
    """Tell whether there are vectors that no passage names."""
    used = select(passages.c.text_hash).where(passages.c.text_hash == vectors.c.text_hash).exists()
    return connection.execute(select(vectors.c.text_hash).where(~used).limit(1)).first() is not None


def forget_unused_vectors(connection: Connection, embedder: str) -> None:
    """Drop the vectors that no passage names, and those of embedders that neither run nor serve a store."""
    used = select(passages.c.text_hash).where(passages.c.text_hash == vectors.c.text_hash).exists()
    serving = select(stores.c.embedder)
    connection.execute(
        delete(vectors).where(~used | ((vectors.c.embedder != embedder) & vectors.c.embedder.not_in(serving)))
    )


def store_vectors(connection: Connection, store: Store) -> tuple[Rows, Vectors]:
    """Return the row numbers and vectors of all passages of a store."""
    query = (
        select(passages.c.row, vectors.c.vector)
        .join(vectors, (vectors.c.text_hash == passages.c.text_hash) & (vectors.c.embedder == store.embedder))
        .where(passages.c.store_id == store.id)
        .order_by(passages.c.row)
    )
    rows: list[int] = []
    blobs = bytearray()
    for row, vector in connection.execute(query):
        rows.append(row)
        blobs += vector
    return np.array(rows, np.int64), np.frombuffer(blobs, np.float32).reshape(-1, store.dimensions)


def passage_count(connection: Connection, store_id: int) -> int:
    """Return how many passages a store has; read from an index of the table alone."""
    return connection.execute(select(func.count()).where(passages.c.store_id == store_id)).scalar_one()


def rows_above(connection: Connection, store_id: int, row: int) -> Rows:
    """Return the row numbers, ascending, of a store's passages that came after `row`.

    A row number is never given twice, and is higher than all that were given before.
    """
    return _numbers(connection, passages.c.row, passages.c.store_id == store_id, passages.c.row > row)


def latest_removal(connection: Connection) -> int:
    """Return the number of the latest removal of a passage of any store; 0 where there was none."""
    return connection.execute(select(func.max(removals.c.seq))).scalar() or 0


def removed_after(connection: Connection, store_id: int, removal: int) -> Rows | None:
    """Return the rows, ascending, of a store's passages that were removed after a removal.

    Args:
        connection: an open one.
        store_id: of the store.
        removal: the number of one, or 0 for the time before the first.

    Returns:
        None where not all of them are remembered, or the number is none of this database.
    """
    latest = latest_removal(connection)
    oldest = connection.execute(select(func.min(removals.c.seq))).scalar() or latest + 1
    if not oldest - 1 <= removal <= latest:
        return None
    return _numbers(connection, removals.c.row, removals.c.store_id == store_id, removals.c.seq > removal)


def passage_words(connection: Connection, store_id: int, above: int = 0) -> Iterator[PassageWords]:
    """Yield the words of a store's passages of rows above `above`, ascending, as they are read."""
    query = (
        select(passages.c.row, passages.c.title, passages.c.heading, passages.c.text)
        .where(passages.c.store_id == store_id, passages.c.row > above)
        .order_by(passages.c.row)
        .execution_options(yield_per=_CHUNK)
    )
    for row, title, heading, words in connection.execute(query):
        yield PassageWords(row, f"{title}\n{heading}\n{words}")


def passage_vectors(connection: Connection, embedder: str, rows: Iterable[int]) -> dict[int, Vectors]:
    """Return row → vector of those passages that still exist."""
    found: dict[int, Vectors] = {}
    for part in _parts(rows):
        # Two look-ups by key: as one join, SQLite would walk all vectors of the embedder to find a few.
        named = connection.execute(select(passages.c.row, passages.c.text_hash).where(passages.c.row.in_(part)))
        hashes = {row.row: row.text_hash for row in named}
        held = connection.execute(
            select(vectors.c.text_hash, vectors.c.vector).where(
                vectors.c.embedder == embedder, vectors.c.text_hash.in_(set(hashes.values()))
            )
        )
        by_hash = {row.text_hash: np.frombuffer(row.vector, np.float32) for row in held}
        found |= {row: by_hash[key] for row, key in hashes.items() if key in by_hash}
    return found


def passage_texts(connection: Connection, rows: Iterable[int]) -> dict[int, Passage]:
    """Return row → passage, not yet scored, of those that still exist."""
    found: dict[int, Passage] = {}
    for part in _parts(rows):
        query = (
            select(passages, documents.c.path, stores.c.name.label("store"))
            .join(documents, documents.c.id == passages.c.document_id)
            .join(stores, stores.c.id == passages.c.store_id)
            .where(passages.c.row.in_(part))
        )
        for row in connection.execute(query):
            found[row.row] = Passage(
                id=row.id,
                store=row.store,
                document_id=row.document_id,
                path=row.path,
                title=row.title,
                heading=row.heading,
                text=row.text,
                start=row.start,
                end=row.end,
                cosine=0.0,
                score=0.0,
                page=row.page,
            )
    return found


def rows_passing(connection: Connection, store_id: int, wanted: Filter) -> Rows:
    """Return the passages of those files of a store of uploads whose attributes pass a filter, ascending."""
    query = (
        select(passages.c.row)
        .join(entries, entries.c.document_id == passages.c.document_id)
        .where(passages.c.store_id == store_id, condition(wanted))
        .order_by(passages.c.row)
    )
    return np.fromiter(connection.execute(query).scalars(), np.int64)


def find_document(connection: Connection, document: str) -> Document | None:
    """Return a document with its text."""
    query = (
        select(documents, stores.c.name.label("store"))
        .join(stores, stores.c.id == documents.c.store_id)
        .where(documents.c.id == document)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Document(row.id, row.store, row.path, row.title, row.text, row.content_hash)


def statuses(connection: Connection, embedder: str) -> list[StoreStatus]:
    """Return what every store holds, and whether `embedder` made its vectors."""
    held_documents = select(func.count()).where(documents.c.store_id == stores.c.id).scalar_subquery()
    held_passages = select(func.count()).where(passages.c.store_id == stores.c.id).scalar_subquery()
    query = select(stores, held_documents.label("documents"), held_passages.label("passages")).order_by(
        stores.c.name
    )
    return [
        StoreStatus(
            name=row.name,
            folder=row.folder,
            documents=row.documents,
            passages=row.passages,
            embedder=row.embedder,
            current=row.embedder == embedder,
            synced_at=row.synced_at,
            failures=tuple(failures(connection, row.id)),
            warnings=tuple(warnings(connection, row.id)),
            index_kind=row.index_kind,
            index_recall=row.index_recall,
        )
        for row in connection.execute(query)
    ]


def _numbers(connection: Connection, column: Column[int], *which: ColumnElement[bool]) -> Rows:
    # As one string: a result row for each of many numbers would take nine times as long.
    joined = connection.execute(select(func.group_concat(column)).where(*which)).scalar()
    return np.sort(np.fromstring(joined, np.int64, sep=",")) if joined else np.empty(0, np.int64)


def _parts(values: Iterable[int]) -> Iterator[list[int]]:
    ordered = list(values)
    for first in range(0, len(ordered), _CHUNK):
        yield ordered[first : first + _CHUNK]


def _store(row: RowMapping) -> Store:
    return Store(**{str(column): value for column, value in row.items()})
