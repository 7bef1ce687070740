"""Who may read and who may change a vector store, as conditions of SQL. The one place that says so."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, false, or_, select

from retrieval.records import UPLOADS
from retrieval.tables import shares, vector_stores
from retrieval.vector_store import EVERYONE


def readable(reader: str | None) -> ColumnElement[bool]:
    """Return the condition under which `reader` may read a vector store: it is theirs, or shared with them.

    None is nobody: no vector store at all.
    """
    if reader is None:
        return false()
    shared = (
        select(shares.c.reader)
        .where(shares.c.vector_store == vector_stores.c.id, shares.c.reader.in_((reader, EVERYONE)))
        .exists()
    )
    return or_(vector_stores.c.principal == reader, shared)


def alive(now: float) -> ColumnElement[bool]:
    """Return the condition under which a vector store has not expired."""
    return or_(vector_stores.c.expires_at.is_(None), vector_stores.c.expires_at > now)


def open_stores(connection: Connection, names: Iterable[str], reader: str | None, now: float) -> dict[str, bool]:
    """Return the vector stores among `names` that `reader` may read, and whether each is alive."""
    uploads = [name for name in names if name.startswith(UPLOADS)]
    if not uploads or reader is None:
        return {}
    query = select(vector_stores.c.id, alive(now).label("alive")).where(
        vector_stores.c.id.in_(uploads), readable(reader)
    )
    return {row.id: bool(row.alive) for row in connection.execute(query)}
