"""Making, finding and revoking API keys. Blocking; knows no HTTP."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.clock import Clock
from core.database import Database
from core.errors import Conflict, InvalidRequest, NotFound
from core.ids import PersonaId, new_id
from core.principal import NO_LIMITS, Limits, Scope
from server.keys import tables
from server.keys.key import LIMITS, Key, digest, key_of, new_secret
from server.keys.live import LiveKeys

_NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_BOOTSTRAP_NAME = "first-admin"
_RESERVED_NAMES = frozenset({"anonymous", _BOOTSTRAP_NAME})
_LARGEST_LIMIT = 10**12


class Keys:
    """The keys of one server.

    Attributes:
        live: those that open a door now, in memory.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.live = LiveKeys(database)
        self._database = database
        self._clock = clock

    def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        personas: Iterable[PersonaId] | None = None,
        limits: Limits = NO_LIMITS,
    ) -> tuple[Key, str]:
        """Make a key and return it with its secret, which is shown this once.

        Raises:
            InvalidRequest: the name or a limit cannot be used, no scope is given, or an administrator is limited
                to personas.
            Conflict: a key of that name exists, revoked ones included, since records name it.
        """
        wanted = frozenset(scopes)
        if not _NAME.fullmatch(name) or name in _RESERVED_NAMES:
            raise InvalidRequest(
                f"{name!r} cannot name a key. Use up to 64 of a-z, 0-9, '.', '_', '-'; a letter first. "
                "'anonymous' and 'first-admin' are taken.",
                code="invalid_key_name",
                param="name",
            )
        if not wanted:
            raise InvalidRequest(f"The key {name!r} needs at least one scope.", param="scopes")
        if Scope.ADMIN in wanted and personas is not None:
            raise InvalidRequest(
                f"The key {name!r} cannot be limited to personas: the scope 'admin' opens everything, making "
                "other keys included. Leave the personas out, or give it other scopes.",
                code="admin_with_personas",
                param="personas",
            )
        _check(asdict(limits))
        secret = new_secret()
        self._insert(name, secret, wanted, personas, limits, bootstrap=False)
        return self._get(name), secret

    def list(self) -> tuple[Key, ...]:
        """Return all keys, oldest first, revoked ones included."""
        with self._database.read() as connection:
            rows = connection.execute(select(tables.keys).order_by(tables.keys.c.created_at, tables.keys.c.id))
            return tuple(key_of(row) for row in rows)

    def limit(self, name: str, changes: Mapping[str, int | None]) -> Key:
        """Change some limits of a key, from the next request on; None takes one away.

        Raises:
            NotFound: no key has this name.
            InvalidRequest: a limit cannot be used.
        """
        _check(changes)
        if changes:
            with self._database.write() as connection:
                connection.execute(update(tables.keys).where(tables.keys.c.name == name).values(**changes))
            self.live.reload()
        return self._get(name)

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
        self.live.reload()
        return self._get(name)

    def find(self, secret: str) -> Key | None:
        """Return the live key with this secret, as the database has it now."""
        with self._database.read() as connection:
            row = connection.execute(
                select(tables.keys).where(
                    tables.keys.c.secret_hash == digest(secret), tables.keys.c.revoked_at.is_(None)
                )
            ).first()
            return None if row is None else key_of(row)

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
        secret = _written(path)
        self._insert(_BOOTSTRAP_NAME, secret, frozenset({Scope.ADMIN}), None, NO_LIMITS, bootstrap=True)

    def keep(self, name: str, scopes: Iterable[Scope], path: Path) -> str:
        """Return the secret of a key of this server's own; made, or given another secret, where `path` has none.

        Raises:
            Conflict: the key was revoked.
        """
        known = next((key for key in self.list() if key.name == name), None)
        if known is None:
            secret = _written(path)
            self._insert(name, secret, frozenset(scopes), None, NO_LIMITS, bootstrap=False)
            return secret
        if known.revoked_at is not None:
            raise Conflict(
                f"The key {name!r} was revoked. Make another and name it in the settings.", code="key_lost"
            )
        secret = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        if (
            found := self.find(secret)
        ) is None or found.name != name:  # as after a restore: files of keys stay behind
            secret = _written(path)
            with self._database.write() as connection:
                row = update(tables.keys).where(tables.keys.c.name == name)
                connection.execute(row.values(secret_hash=digest(secret)))
            self.live.reload()
        return secret

    def _insert(
        self,
        name: str,
        secret: str,
        scopes: frozenset[Scope],
        personas: Iterable[PersonaId] | None,
        limits: Limits,
        *,
        bootstrap: bool,
    ) -> None:
        row = {
            "id": new_id("key"),
            "name": name,
            "secret_hash": digest(secret),
            "scopes": sorted(scope.value for scope in scopes),
            "personas": None if personas is None else sorted(personas),
            "bootstrap": bootstrap,
            "created_at": self._clock(),
            **asdict(limits),
        }
        try:
            with self._database.write() as connection:
                connection.execute(insert(tables.keys).values(**row))
        except IntegrityError as error:
            raise Conflict(
                f"A key named {name!r} exists already, perhaps revoked. Choose another name.",
                code="key_exists",
            ) from error
        self.live.reload()

    def _get(self, name: str) -> Key:
        with self._database.read() as connection:
            row = connection.execute(select(tables.keys).where(tables.keys.c.name == name)).first()
        if row is None:
            raise NotFound(f"No key is named {name!r}. `repertory key list` shows them.", code="key_not_found")
        return key_of(row)


def _check(limits: Mapping[str, object]) -> None:
    for name, value in limits.items():
        if name not in LIMITS:
            raise InvalidRequest(f"There is no limit {name!r}. Use {', '.join(LIMITS)}.", param=name)
        if value is not None and not (isinstance(value, int) and 1 <= value <= _LARGEST_LIMIT):
            raise InvalidRequest(
                f"{name} must be a number from 1 to {_LARGEST_LIMIT}, or none.", code="invalid_value", param=name
            )


def _written(path: Path) -> str:
    """Return a new secret that stands in a file of ours alone, on the disk."""
    secret = new_secret()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(secret + "\n")
        file.flush()
        os.fsync(descriptor)  # before the database keeps its hash
    return secret
