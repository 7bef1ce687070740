"""Remembers which request filed an approval, and which one was told its outcome.

Without it, a client that repeats its request would be told of an old decision again and again, and one
whose conversation merely begins like another's would be told of the other's call.
"""

from sqlalchemy import Column, Float, MetaData, String, Table, select
from sqlalchemy.dialects.sqlite import insert

from core.clock import Clock
from core.database import Database

metadata = MetaData()

_reported = Table(
    "server_reported_approvals",
    metadata,
    Column("approval_id", String, primary_key=True),
    Column("request_digest", String, nullable=False),
    Column("reported_at", Float, nullable=False),
)


_FILED = "filed "
"""Before the id in the row of the request that filed it; the bare id is the row of the one that was told."""


class Reported:
    """At most two rows for each approval: the request that filed it, and the one that was told its outcome."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def digest(self, approval_id: str) -> str | None:
        """Return the digest of the request that was told the outcome, if one was."""
        return self._read(approval_id)

    def record(self, approval_id: str, request_digest: str) -> None:
        """Note that the request with this digest is told the outcome; the first one stays."""
        with self._database.write() as connection:
            connection.execute(
                insert(_reported).values(**self._row(approval_id, request_digest)).on_conflict_do_nothing()
            )

    def filing(self, approval_id: str) -> str | None:
        """Return the digest of the last request that asked for the call."""
        return self._read(_FILED + approval_id)

    def filed(self, approval_id: str, request_digest: str) -> None:
        """Note that the request with this digest asks for the call."""
        row = self._row(_FILED + approval_id, request_digest)
        statement = insert(_reported).values(**row)
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["approval_id"], set_=row))

    def _row(self, key: str, request_digest: str) -> dict[str, str | float]:
        return {"approval_id": key, "request_digest": request_digest, "reported_at": self._clock()}

    def _read(self, key: str) -> str | None:
        with self._database.read() as connection:
            return connection.execute(
                select(_reported.c.request_digest).where(_reported.c.approval_id == key)
            ).scalar_one_or_none()
