"""The store of connections: whose account at which service, and its tokens, sealed. Knows no protocol. Blocking.

A connection belongs to a principal and a secret. What is sealed says for whom and for which app it is, so that
a row that was copied to another place opens nothing.
"""

import json
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Row, delete, insert, select, update

from actions.json_value import JsonObject
from actions.oauth import Grant
from actions.sealing import Seal, Unreadable
from actions.tables import connections as table
from core.clock import Clock
from core.database import Database
from core.ids import PrincipalId

_PURPOSE = "connection"
_NO_KEY = "The server no longer has the key to it."


class ConnectionState(StrEnum):
    """Whether a connection can be used."""

    CONNECTED = "connected"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Connection:
    """What may be shown of a connection.

    Attributes:
        secret: name of the secret in the secrets file.
        reason: why it is broken, in a sentence.
        scopes: what the service granted.
        expires_at: when the access token ends, if the service said so; it is renewed before.
    """

    principal: PrincipalId
    secret: str
    state: ConnectionState
    reason: str | None
    scopes: tuple[str, ...]
    connected_at: float
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Held:
    """A grant as it lies in the store, which changes only if nobody was faster."""

    grant: Grant
    sealed: str = field(repr=False)


class Tokens:
    """Connections in the database."""

    def __init__(self, database: Database, seal: Seal, clock: Clock) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock

    def now(self) -> float:
        """Return the time by the store's clock."""
        return self._clock()

    def keep(self, principal: PrincipalId, secret: str, app: str, grant: Grant) -> Connection:
        """Keep a new grant in the place of an older one."""
        row = {**self._row(principal, secret, app, grant), "connected_at": self._clock()}
        with self._database.write() as connection:
            connection.execute(delete(table).where(table.c.principal == principal, table.c.secret == secret))
            connection.execute(insert(table).values(principal=principal, secret=secret, **row))
            return _connection(
                connection.execute(
                    select(table).where(table.c.principal == principal, table.c.secret == secret)
                ).one()
            )

    def renew(self, principal: PrincipalId, secret: str, app: str, held: Held, grant: Grant) -> bool:
        """Put a renewed grant in the place of `held`; False where that is no longer there."""
        return self._replace(principal, secret, held.sealed, self._row(principal, secret, app, grant))

    def break_off(self, principal: PrincipalId, secret: str, held: Held, reason: str) -> bool:
        """Note that a grant is of no use any more, and forget it; False where it is no longer there."""
        return self._replace(principal, secret, held.sealed, _broken(reason))

    def find(self, principal: PrincipalId, secret: str) -> Connection | None:
        """Return a connection, if there is one."""
        row = self._read(principal, secret)
        return None if row is None else _connection(row)

    def open(self, principal: PrincipalId, secret: str, app: str) -> Held | None:
        """Return the grant of a connection that can be used; one that cannot be opened is broken from now on."""
        row = self._read(principal, secret)
        if row is None or row.sealed is None:
            return None
        try:
            value = self._seal.open(_PURPOSE, row.sealed)
        except Unreadable:
            self._replace(principal, secret, row.sealed, _broken(_NO_KEY))
            return None
        if (value.get("principal"), value.get("secret")) != (principal, secret):
            self._replace(principal, secret, row.sealed, _broken("It was written for somebody else."))
            return None
        if value.get("app") != app:
            self._replace(principal, secret, row.sealed, _broken("The app at the service was changed."))
            return None
        refresh = value.get("refresh_token")
        grant = Grant(
            access_token=str(value["access_token"]),
            refresh_token=refresh if isinstance(refresh, str) else None,
            obtained_at=row.obtained_at,
            expires_at=row.expires_at,
            scopes=tuple(json.loads(row.scopes)),
        )
        return Held(grant, row.sealed)

    def list(self, principal: PrincipalId | None = None) -> list[Connection]:
        """Return the connections of a principal, or all."""
        query = select(table).order_by(table.c.principal, table.c.secret)
        if principal is not None:
            query = query.where(table.c.principal == principal)
        with self._database.read() as connection:
            return [_connection(row) for row in connection.execute(query)]

    def drop(self, principal: PrincipalId, secret: str) -> bool:
        """Delete a connection; tell whether there was one."""
        with self._database.write() as connection:
            gone = delete(table).where(table.c.principal == principal, table.c.secret == secret)
            return connection.execute(gone).rowcount == 1

    def rotate(self) -> int:
        """Seal everything anew with a new key and forget the old ones; say how many connections were kept.

        No server may run meanwhile. Broken off anywhere, it leaves keys that open all that is there.
        """
        self._seal.put_new_key_first()
        kept = 0
        with self._database.write() as connection:
            for row in connection.execute(select(table).where(table.c.sealed.is_not(None))).all():
                try:
                    opened = self._seal.open(_PURPOSE, row.sealed)
                except Unreadable:
                    values = _broken(_NO_KEY)
                else:
                    values, kept = {"sealed": self._seal.close(_PURPOSE, opened)}, kept + 1
                here = update(table).where(table.c.principal == row.principal, table.c.secret == row.secret)
                connection.execute(here.values(**values))
        self._seal.keep_newest_key()
        return kept

    def give_up(self) -> int:
        """Break every connection off, after a restore; say how many.

        Services that give a new refresh token each time take an old one, as a backup has it, for a theft.
        """
        with self._database.write() as connection:
            live = update(table).where(table.c.state == ConnectionState.CONNECTED)
            return connection.execute(live.values(**_broken("The server was restored from a backup."))).rowcount

    def _row(self, principal: PrincipalId, secret: str, app: str, grant: Grant) -> dict[str, str | float | None]:
        value: JsonObject = {
            "principal": principal,
            "secret": secret,
            "app": app,
            "access_token": grant.access_token,
            "refresh_token": grant.refresh_token,
        }
        return {
            "state": ConnectionState.CONNECTED,
            "reason": None,
            "sealed": self._seal.close(_PURPOSE, value),
            "scopes": json.dumps(grant.scopes),
            "obtained_at": grant.obtained_at,
            "expires_at": grant.expires_at,
        }

    def _replace(
        self, principal: PrincipalId, secret: str, sealed: str, values: dict[str, str | float | None]
    ) -> bool:
        here = update(table).where(
            table.c.principal == principal, table.c.secret == secret, table.c.sealed == sealed
        )
        with self._database.write() as connection:
            return connection.execute(here.values(**values)).rowcount == 1

    def _read(self, principal: PrincipalId, secret: str) -> Row[tuple[object, ...]] | None:
        query = select(table).where(table.c.principal == principal, table.c.secret == secret)
        with self._database.read() as connection:
            return connection.execute(query).first()


def _broken(reason: str) -> dict[str, str | float | None]:
    return {"state": ConnectionState.BROKEN, "reason": reason, "sealed": None, "expires_at": None}


def _connection(row: Row[tuple[object, ...]]) -> Connection:
    return Connection(
        principal=PrincipalId(row.principal),
        secret=row.secret,
        state=ConnectionState(row.state),
        reason=row.reason,
        scopes=tuple(json.loads(row.scopes)),
        connected_at=row.connected_at,
        expires_at=row.expires_at,
    )
