"""The store of what waits to be connected: who may connect which account, once and until when. Blocking."""

from dataclasses import dataclass

from sqlalchemy import Row, delete, insert, select, update

from actions.tables import connects as table
from core.clock import Clock
from core.database import Database
from core.errors import NotFound
from core.ids import PersonaId, PrincipalId, new_id

LIFETIME_SECONDS = 900.0
_KEPT_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Connect:
    """A connection that waits for its person.

    Attributes:
        id: unguessable; whoever has it may begin.
        secret: name of the secret whose service is meant.
        expires_at: seconds since the epoch, as is `created_at`.
    """

    id: str
    principal: PrincipalId
    persona: PersonaId
    secret: str
    created_at: float
    expires_at: float


class Connects:
    """Waiting connections in the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def request(self, principal: PrincipalId, persona: PersonaId, secret: str) -> Connect:
        """Return one that waits: a new one, or an earlier one that has more than half of its time left."""
        now = self._clock()
        mine = (table.c.principal == principal, table.c.persona == persona, table.c.secret == secret)
        with self._database.write() as connection:
            connection.execute(delete(table).where(table.c.expires_at < now - _KEPT_SECONDS))
            live = table.c.expires_at > now + LIFETIME_SECONDS / 2
            row = connection.execute(select(table).where(*mine, table.c.used_at.is_(None), live)).first()
            if row is not None:
                return _connect(row)
            made = Connect(new_id("conn"), principal, persona, secret, now, now + LIFETIME_SECONDS)
            connection.execute(
                insert(table).values(
                    id=made.id,
                    principal=principal,
                    persona=persona,
                    secret=secret,
                    created_at=now,
                    expires_at=made.expires_at,
                )
            )
        return made

    def find(self, connect_id: str) -> Connect:
        """Return one that still waits.

        Raises:
            NotFound: there is none, or its time is over, or it was used.
        """
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.id == connect_id)).first()
        if row is None or row.used_at is not None or row.expires_at <= self._clock():
            raise _gone()
        return _connect(row)

    def claim(self, connect_id: str) -> Connect:
        """Take one; exactly one caller gets it.

        Raises:
            NotFound: there is none, or its time is over, or it was used.
        """
        now = self._clock()
        open_one = (table.c.id == connect_id, table.c.used_at.is_(None), table.c.expires_at > now)
        with self._database.write() as connection:
            if connection.execute(update(table).where(*open_one).values(used_at=now)).rowcount != 1:
                raise _gone()
            return _connect(connection.execute(select(table).where(table.c.id == connect_id)).one())


def _gone() -> NotFound:
    return NotFound(
        "This link is unknown, was used already, or its time is over. Ask the assistant again: it gives a new "
        "one.",
        code="connect_not_found",
    )


def _connect(row: Row[tuple[object, ...]]) -> Connect:
    return Connect(
        id=row.id,
        principal=PrincipalId(row.principal),
        persona=PersonaId(row.persona),
        secret=row.secret,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
