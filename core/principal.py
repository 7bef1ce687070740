"""Who is asking, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum

from core.errors import PermissionDenied
from core.ids import PersonaId, PrincipalId


class Scope(StrEnum):
    """A right that a key may carry."""

    CHAT = "chat"
    KNOWLEDGE = "knowledge"
    ADAPTERS = "adapters"
    APPROVE = "approve"
    OVERRIDE = "override"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a holder may ask for; None is no limit. A day is a day of UTC."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a key, or the anonymous local user.

    Attributes:
        id: stable name of the holder; files, conversations and approvals belong to it.
        scopes: what the holder may do; `ADMIN` implies every other scope.
        personas: the personas that the key is limited to, or None for all.
        limits: how much the holder may ask for.
    """

    id: PrincipalId
    scopes: frozenset[Scope]
    personas: frozenset[PersonaId] | None = None
    limits: Limits = NO_LIMITS

    def may(self, scope: Scope) -> bool:
        """Tell whether the holder has `scope`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Check that the holder has `scope`.

        Raises:
            PermissionDenied: it has not.
        """
        if not self.may(scope):
            raise PermissionDenied(
                f"This key lacks the scope {scope.value!r}. Ask an administrator for a key made "
                f"with `repertory key create --scope {scope.value}`."
            )

    def may_use(self, persona: PersonaId) -> bool:
        """Tell whether the key reaches `persona`."""
        return self.personas is None or persona in self.personas
