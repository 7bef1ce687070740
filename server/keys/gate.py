"""Who may come in: from a request's header to a principal, and whether a bind is safe at all.

On loopback without keys `/v1` serves an anonymous principal. SDKs insist on sending some key, so there a
placeholder that is none of ours counts as no key; a string that looks like one of ours must be a live one.
"""

from dataclasses import dataclass

from core.errors import InvalidRequest, NotAuthenticated
from core.ids import PrincipalId
from core.principal import Principal, Scope
from server.keys.store import PREFIX, Keys
from server.middleware.callers import is_loopback
from server.settings import Settings

ANONYMOUS = Principal(PrincipalId("anonymous"), frozenset({Scope.CHAT, Scope.KNOWLEDGE}))


@dataclass(frozen=True, slots=True)
class Gate:
    """Turns `Authorization` headers into principals."""

    keys: Keys
    open_to_programs: bool

    @classmethod
    def of(cls, settings: Settings, keys: Keys) -> "Gate":
        """Return the gate that `settings` ask for."""
        return cls(keys, is_loopback(settings.host) and not settings.require_keys)

    def identify(self, authorization: str | None, *, key_needed: bool) -> Principal:
        """Return who is asking.

        Args:
            authorization: the header's value.
            key_needed: true under `/api`, where nobody is anonymous.

        Raises:
            NotAuthenticated: no key, or a wrong one.
        """
        scheme, _, secret = (authorization or "").partition(" ")
        secret = secret.strip()
        if not secret or scheme.lower() != "bearer":
            if self.open_to_programs and not key_needed:
                return ANONYMOUS
            raise NotAuthenticated(
                "This address needs an API key. Send it as 'Authorization: Bearer <key>'; "
                "`repertory key create` makes one.",
                code="missing_api_key",
            )
        key = self.keys.find(secret)
        if key is not None:
            return key.principal
        if self.open_to_programs and not key_needed and not secret.startswith(PREFIX):
            return ANONYMOUS
        raise NotAuthenticated(
            "The API key is not valid: unknown or revoked. `repertory key list` shows the live ones."
        )


def check_bind(settings: Settings, keys: Keys) -> None:
    """Refuse to listen beyond this machine while nobody has a key.

    Raises:
        InvalidRequest: the host is not loopback, no key was made and none is asked for by setting.
    """
    if is_loopback(settings.host) or settings.require_keys or keys.any_beside_bootstrap():
        return
    raise InvalidRequest(
        f"REPERTORY_HOST={settings.host!r} reaches beyond this machine, but no API key exists. Make one with "
        "`repertory key create NAME`, or set REPERTORY_REQUIRE_KEYS=true and use the admin key.",
        code="public_bind_without_keys",
    )
