"""Who may knock: the Host allow-list against DNS rebinding, and no foreign web page.

Knows addresses and names only; keys are checked later, by the routes.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import PermissionDenied
from server.wire import error_response

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Tell whether binding to `host` keeps the server on this machine."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


class CallerGuard:
    """Refuses requests whose Host is unknown or whose Origin is another site.

    A page that has rebound its own name to 127.0.0.1 still sends that name as Host. A bare IP address
    cannot be rebound, so a public bind accepts any of those; names must be listed.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        allowed_hosts: tuple[str, ...] = (),
        allowed_origins: tuple[str, ...] = (),
        public_url: str | None = None,
    ) -> None:
        self._app = app
        listed = {*allowed_hosts, host, (urlsplit(public_url).hostname or "") if public_url else ""}
        self._hosts = _LOOPBACK_NAMES | {name.lower() for name in listed if name}
        self._origins = {origin.rstrip("/").lower() for origin in allowed_origins}
        self._any_address = not is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "http" and (refusal := self._refusal(Headers(scope=scope))):
            await error_response(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> PermissionDenied | None:
        host = headers.get("host", "")
        name = _name_of(host)
        if name not in self._hosts and not (self._any_address and _is_address(name)):
            return PermissionDenied(
                f"The Host {host!r} is not on the server's list. Add it to REPERTORY_ALLOWED_HOSTS "
                "if clients are meant to use that name.",
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        if origin is None or origin.lower() in self._origins or origin.partition("://")[2] == host:
            return None
        return PermissionDenied(
            f"Web pages of {origin!r} may not call this server. Add the origin to "
            "REPERTORY_ALLOWED_ORIGINS if they should.",
            code="origin_not_allowed",
        )


def _name_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
