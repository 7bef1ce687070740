"""Who may knock: the Host allow-list against DNS rebinding, and no foreign web page.

Knows addresses and names only; keys are checked later, by the routes. `X-Forwarded-Host` and its like are not
read: whoever sends a request may write them.
"""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import PermissionDenied
from server.wire import error_response

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_FOREIGN_SITES = frozenset({b"cross-site", b"same-site"})
_REMEMBERED = 1024


def is_loopback(host: str) -> bool:
    """Tell whether binding to `host` keeps the server on this machine."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def page_origins(origins: Iterable[str]) -> frozenset[str]:
    """Return origins as browsers write them: lower case, without a slash at the end or the scheme's own port."""
    return frozenset(_origin(one) for one in origins)


class CallerGuard:
    """Refuses requests whose Host is unknown or that a page of another site makes.

    A page that has rebound its own name to 127.0.0.1 still sends that name as Host. A bare IP address
    cannot be rebound, so a public bind accepts any of those; names must be listed.

    Browsers send no Origin with what needs no permission (pictures, scripts, links), but they tell the site. Of
    those only a person who follows a link is let in: citations are links.
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
        own = [public_url] if public_url else []
        listed = [*allowed_hosts, f"[{host}]" if ":" in host else host, *(urlsplit(url).netloc for url in own)]
        self._hosts = _LOOPBACK_NAMES | {_name_of(name) or name.lower() for name in listed if name}
        self._origins = page_origins([*allowed_origins, *(_site(url) for url in own)])
        self._any_address = not is_loopback(host)
        self._known_hosts: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "websocket":  # there is none here, and browsers open them to any site
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            await error_response(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> PermissionDenied | None:
        hosts: list[bytes] = []
        origins: list[bytes] = []
        fetch: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin":
                origins.append(value)
            elif name.startswith(b"sec-fetch-"):
                fetch[name] = value
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return _foreign_host(b", ".join(hosts).decode("latin-1"))
        host = hosts[0].decode("latin-1").lower()
        for origin in origins:
            if not self._serves(origin.decode("latin-1").lower(), host):
                return _foreign_page(origin.decode("latin-1"))
        if not origins and fetch.get(b"sec-fetch-site") in _FOREIGN_SITES and not _follows_link(scope, fetch):
            return _foreign_page("another site")
        return None

    def _knows(self, host: bytes) -> bool:
        if host in self._known_hosts:
            return True
        name = _name_of(host.decode("latin-1"))
        if name not in self._hosts and not (is_loopback(name) or (self._any_address and _is_address(name))):
            return False
        if len(self._known_hosts) < _REMEMBERED:
            self._known_hosts.add(host)
        return True

    def _serves(self, origin: str, host: str) -> bool:
        scheme, _, place = origin.partition("://")
        return origin in self._origins or (scheme in _DEFAULT_PORTS and place == host)


def _follows_link(scope: Scope, fetch: dict[bytes, bytes]) -> bool:
    navigates = fetch.get(b"sec-fetch-mode") == b"navigate" and fetch.get(b"sec-fetch-dest") == b"document"
    return navigates and scope["method"] in ("GET", "HEAD")


def _foreign_host(host: str) -> PermissionDenied:
    return PermissionDenied(
        f"The Host {host!r} is not on the server's list. Add it to REPERTORY_ALLOWED_HOSTS "
        "if clients are meant to use that name.",
        code="host_not_allowed",
    )


def _foreign_page(origin: str) -> PermissionDenied:
    return PermissionDenied(
        f"Web pages of {origin!r} may not call this server. Add the origin to "
        "REPERTORY_ALLOWED_ORIGINS if they should.",
        code="origin_not_allowed",
    )


def _name_of(host: str) -> str:
    """Return the bare name in a Host header, without port, brackets and the root's dot; empty if it is none."""
    found = _HOST.fullmatch(host.strip())
    if found is None:
        return ""
    name = found[1].strip("[]").lower().removesuffix(".")
    return ipaddress.ip_address(name).compressed if _is_address(name) else name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _site(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _origin(text: str) -> str:
    origin = text.strip().rstrip("/").lower()
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition("://")[0], " "))
