"""Who may come in: from a request's header to a principal, and whether a bind is safe at all.

On loopback without keys `/v1` serves an anonymous principal. SDKs insist on sending some key, so there a
placeholder that is none of ours counts as no key; a string that looks like one of ours must be a live one.
"""

from dataclasses import dataclass, replace

from core.errors import InvalidRequest, NotAuthenticated
from core.ids import PrincipalId
from core.principal import Limits, Principal, Scope
from server.keys.key import PREFIX
from server.keys.store import Keys
from server.middleware.callers import is_loopback
from server.settings import Settings

ANONYMOUS = Principal(PrincipalId("anonymous"), frozenset({Scope.CHAT, Scope.KNOWLEDGE}))


@dataclass(frozen=True, slots=True)
class Gate:
    """Turns `Authorization` headers into principals.

    Attributes:
        keys: those that open the door.
        open_to_programs: whether `/v1` serves programs without a key.
        anonymous: who they are.
    """

    keys: Keys
    open_to_programs: bool
    anonymous: Principal = ANONYMOUS

    @classmethod
    def of(cls, settings: Settings, keys: Keys) -> "Gate":
        """Return the gate that `settings` ask for."""
        limits = Limits(
            settings.anonymous_requests_per_minute,
            settings.anonymous_tokens_per_minute,
            settings.anonymous_requests_per_day,
            settings.anonymous_tokens_per_day,
        )
        open_to_programs = is_loopback(settings.host) and not settings.require_keys
        return cls(keys, open_to_programs, replace(ANONYMOUS, limits=limits))

    def identify(self, authorization: str | None, *, key_needed: bool) -> Principal:
        """Return who is asking. Reads memory only.

        Args:
            authorization: the header's value.
            key_needed: true under `/api`, where nobody is anonymous.

        Raises:
            NotAuthenticated: no key, or a wrong one.
        """
        secret = _bearer(authorization)
        if not secret:
            if self.open_to_programs and not key_needed:
                return self.anonymous
            raise NotAuthenticated(
                "This address needs an API key. Send it as 'Authorization: Bearer <key>'; "
                "`repertory key create` makes one.",
                code="missing_api_key",
            )
        principal = self.keys.live.find(secret)
        if principal is not None:
            return principal
        if self.open_to_programs and not key_needed and not secret.startswith(PREFIX):
            return self.anonymous
        raise NotAuthenticated(
            "The API key is not valid: unknown or revoked. `repertory key list` shows the live ones."
        )

    def is_news(self, authorization: str | None) -> bool:
        """Tell whether the header holds what may be a key made a moment ago by another program."""
        secret = _bearer(authorization)
        return secret.startswith(PREFIX) and self.keys.live.find(secret) is None

    def learn(self, authorization: str | None) -> None:
        """Look in the database for the key that the header holds. Blocking."""
        if self.keys.find(_bearer(authorization)) is not None:
            self.keys.live.reload()


def _bearer(authorization: str | None) -> str:
    scheme, _, secret = (authorization or "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


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
