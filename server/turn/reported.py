"""Remembers which resolved approvals a conversation has already been told of, and in which request.

Without it, a client that repeats its request would be told of an old decision again and again.
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


class Reported:
    """One row for each approval whose outcome went into an answer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def digest(self, approval_id: str) -> str | None:
        """Return the digest of the request that was told the outcome, if one was."""
        with self._database.read() as connection:
            return connection.execute(
                select(_reported.c.request_digest).where(_reported.c.approval_id == approval_id)
            ).scalar_one_or_none()

    def record(self, approval_id: str, request_digest: str) -> None:
        """Note that the request with this digest is told the outcome."""
        row = {"approval_id": approval_id, "request_digest": request_digest, "reported_at": self._clock()}
        with self._database.write() as connection:
            connection.execute(insert(_reported).values(**row).on_conflict_do_nothing())
