"""Which version answered a conversation last, of the turns that were kept. Blocking."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select

from core.database import Database
from server.transcripts.tables import turns

_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Answered:
    """A conversation, the engine name of the version that answered it, and when."""

    conversation: str
    version: str
    at: float


def answered_since(database: Database, since: float) -> Iterator[Answered]:
    """Yield the turns that an adapter has answered since then, the oldest first, and no more than the newest."""
    columns = turns.c.conversation, turns.c.adapter, turns.c.begun_at
    recent = select(*columns).where(turns.c.kept_from >= since, turns.c.adapter.is_not(None))
    with database.read() as connection:
        rows = connection.execute(recent.order_by(turns.c.seq.desc()).limit(_MOST)).all()
    for row in reversed(rows):
        yield Answered(row.conversation, row.adapter, row.begun_at)
