"""One API key: its secret's shape, its hash, and what may be shown of it. Knows no database connection."""

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy.engine import Row

from core.ids import PersonaId, PrincipalId
from core.principal import Limits, Principal, Scope

PREFIX = "rep-"
"""Every secret starts with this, so that leaks can be searched for and placeholders told apart."""

_HOLDER = "key:"

LIMITS = ("requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day")
"""Names of the limits, in the table as in `Limits`."""


@dataclass(frozen=True, slots=True)
class Key:
    """What may be shown of a key; its secret is known only at the moment of making."""

    id: str
    name: str
    scopes: frozenset[Scope]
    personas: frozenset[PersonaId] | None
    limits: Limits
    bootstrap: bool
    created_at: float
    revoked_at: float | None

    @property
    def principal(self) -> Principal:
        """The holder of this key."""
        return Principal(principal_id(self.name), self.scopes, self.personas, self.limits)


def principal_id(name: str) -> PrincipalId:
    """Return the id of the holder of the key `name`."""
    return PrincipalId(f"{_HOLDER}{name}")


def names_a_key(principal: PrincipalId) -> bool:
    """Tell whether a principal is the holder of some key, and neither a hook nor a program without one."""
    return principal.startswith(_HOLDER)


def new_secret() -> str:
    """Return a fresh secret.

    It has 256 random bits, so a plain SHA-256 of it cannot be guessed back; a slow password hash would
    only slow down each request.
    """
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is stored of a secret.

    Keys are found by this hash: how long a search takes says nothing of any secret.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def key_of(row: Row[tuple[object, ...]]) -> Key:
    """Return the key in a row of the table."""
    value = row._mapping
    personas = value["personas"]
    return Key(
        id=value["id"],
        name=value["name"],
        scopes=frozenset(Scope(scope) for scope in value["scopes"]),
        personas=None if personas is None else frozenset(PersonaId(persona) for persona in personas),
        limits=Limits(**{name: value[name] for name in LIMITS}),
        bootstrap=value["bootstrap"],
        created_at=value["created_at"],
        revoked_at=value["revoked_at"],
    )
