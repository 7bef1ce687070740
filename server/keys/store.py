"""Making, finding and revoking API keys. Blocking; knows no HTTP."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from core.clock import Clock
from core.database import Database
from core.errors import Conflict, InvalidRequest, NotFound
from core.ids import PersonaId, PrincipalId, new_id
from core.principal import Principal, Scope
from server.keys import tables

PREFIX = "rep-"
"""Every secret starts with this, so that leaks can be searched for and placeholders told apart."""

_NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_BOOTSTRAP_NAME = "first-admin"


@dataclass(frozen=True, slots=True)
class Key:
    """What may be shown of a key; its secret is known only at the moment of making."""

    id: str
    name: str
    scopes: frozenset[Scope]
    personas: frozenset[PersonaId] | None
    bootstrap: bool
    created_at: float
    revoked_at: float | None

    @property
    def principal(self) -> Principal:
        """The holder of this key."""
        return Principal(PrincipalId(f"key:{self.name}"), self.scopes, self.personas)


class Keys:
    """The keys of one server.

    A secret has 256 random bits, so a plain SHA-256 of it cannot be guessed back; a slow password
    hash would only slow down each request.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        personas: Iterable[PersonaId] | None = None,
    ) -> tuple[Key, str]:
        """Make a key and return it with its secret, which is shown this once.

        Raises:
            InvalidRequest: the name cannot be used, or no scope is given.
            Conflict: a key of that name exists, revoked ones included, since records name it.
        """
        wanted = frozenset(scopes)
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                f"{name!r} cannot name a key. Use up to 64 of a-z, 0-9, '.', '_', '-'; a letter first.",
                code="invalid_key_name",
                param="name",
            )
        if not wanted:
            raise InvalidRequest(f"The key {name!r} needs at least one scope.", param="scopes")
        secret = _new_secret()
        self._insert(name, secret, wanted, personas, bootstrap=False)
        return self._get(name), secret

    def list(self) -> tuple[Key, ...]:
        """Return all keys, oldest first, revoked ones included."""
        with self._database.read() as connection:
            rows = connection.execute(select(tables.keys).order_by(tables.keys.c.created_at, tables.keys.c.id))
            return tuple(_key(row) for row in rows)

    def revoke(self, name: str) -> Key:
        """Make a key useless from the next request on.

        Raises:
            NotFound: no key has this name.
        """
        with self._database.write() as connection:
            connection.execute(
                update(tables.keys)
                .where(tables.keys.c.name == name, tables.keys.c.revoked_at.is_(None))
                .values(revoked_at=self._clock())
            )
        return self._get(name)

    def find(self, secret: str) -> Key | None:
        """Return the live key with this secret."""
        with self._database.read() as connection:
            row = connection.execute(
                select(tables.keys).where(
                    tables.keys.c.secret_hash == _digest(secret), tables.keys.c.revoked_at.is_(None)
                )
            ).first()
            return None if row is None else _key(row)

    def any_beside_bootstrap(self) -> bool:
        """Tell whether an operator has made a key that still works."""
        with self._database.read() as connection:
            count = connection.execute(
                select(func.count()).where(tables.keys.c.bootstrap.is_(False), tables.keys.c.revoked_at.is_(None))
            ).scalar_one()
            return bool(count)

    def bootstrap(self, path: Path) -> None:
        """Make the first admin key where none was ever made, and write its secret to `path` (mode 0600).

        The file is written first: a crash in between leaves a secret without a key, which the next start
        replaces, and never a key whose secret nobody has.
        """
        if any(key.bootstrap for key in self.list()):
            return
        secret = _new_secret()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            file.write(secret + "\n")
        self._insert(_BOOTSTRAP_NAME, secret, frozenset({Scope.ADMIN}), None, bootstrap=True)

    def _insert(
        self,
        name: str,
        secret: str,
        scopes: frozenset[Scope],
        personas: Iterable[PersonaId] | None,
        *,
        bootstrap: bool,
    ) -> None:
        row = {
            "id": new_id("key"),
            "name": name,
            "secret_hash": _digest(secret),
            "scopes": sorted(scope.value for scope in scopes),
            "personas": None if personas is None else sorted(personas),
            "bootstrap": bootstrap,
            "created_at": self._clock(),
        }
        try:
            with self._database.write() as connection:
                connection.execute(insert(tables.keys).values(**row))
        except IntegrityError as error:
            raise Conflict(
                f"A key named {name!r} exists already, perhaps revoked. Choose another name.",
                code="key_exists",
            ) from error

    def _get(self, name: str) -> Key:
        with self._database.read() as connection:
            row = connection.execute(select(tables.keys).where(tables.keys.c.name == name)).first()
        if row is None:
            raise NotFound(f"No key is named {name!r}. `repertory key list` shows them.", code="key_not_found")
        return _key(row)


def _new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[tuple[object, ...]]) -> Key:
    value = row._mapping
    personas = value["personas"]
    return Key(
        id=value["id"],
        name=value["name"],
        scopes=frozenset(Scope(scope) for scope in value["scopes"]),
        personas=None if personas is None else frozenset(PersonaId(persona) for persona in personas),
        bootstrap=value["bootstrap"],
        created_at=value["created_at"],
        revoked_at=value["revoked_at"],
    )
