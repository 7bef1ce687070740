"""What one request carries to show who sends it, and the transport that adds it at the last moment.

It is added below the client, so that no log line, error or redirect of the client's ever holds it.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_plus

import httpx

from actions.errors import SecretRefused
from actions.secret import ApiKey, Basic, Bearer

_EXTENSION = "repertory.credentials"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers, query parameters and cookies of one request.

    Attributes:
        values: what must never be shown of them.
        token: the access token, where one was obtained; it can be renewed.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    values: tuple[str, ...] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)

    def extension(self) -> dict[str, object]:
        """Return what a request carries to the transport."""
        return {_EXTENSION: self}

    def without(self, url: httpx.URL) -> httpx.URL:
        """Return `url` without the query parameters that are the credentials' own."""
        if not self.query or not url.query:
            return url
        parts = url.query.decode("ascii").split("&")
        kept = [part for part in parts if unquote_plus(part.partition("=")[0]) not in self.query]
        return url.copy_with(query="&".join(kept).encode() or None)

    def added_to(self, request: httpx.Request) -> httpx.Request:
        """Return `request` with the credentials; what it says in their places gives way."""
        headers = httpx.Headers(request.headers)
        headers.update(self.headers)
        if self.cookies:
            own = [f"{name}={value}" for name, value in self.cookies.items()]
            headers["Cookie"] = "; ".join([*filter(None, [headers.get("cookie", "")]), *own])
        url = self.without(request.url)
        if self.query:
            own = [f"{name}={quote(value, safe='')}" for name, value in self.query.items()]
            url = url.copy_with(query="&".join([*filter(None, [url.query.decode("ascii")]), *own]).encode())
        extensions = {name: value for name, value in request.extensions.items() if name != _EXTENSION}
        return httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=extensions)


NO_CREDENTIALS = Credentials()


class CredentialedTransport(httpx.AsyncBaseTransport):
    """Adds its credentials to each request that has some, and hands it on."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        credentials = request.extensions.get(_EXTENSION)
        if isinstance(credentials, Credentials):
            request = credentials.added_to(request)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


def of_token(token: str) -> Credentials:
    """Return the credentials of an access token (RFC 6750, 2.1)."""
    return Credentials({"Authorization": f"Bearer {token}"}, values=(token,), token=token)


def of_secret(secret: Bearer | ApiKey | Basic) -> Credentials:
    """Return the credentials of a secret that travels as it is."""
    if isinstance(secret, Basic):
        password = secret.password.get_secret_value()
        pair = basic(secret.username, password)
        return Credentials({"Authorization": f"Basic {pair}"}, values=(pair, password or secret.username))
    text = secret.value.get_secret_value()
    if isinstance(secret, Bearer):
        return Credentials({"Authorization": f"Bearer {text}"}, values=(text,))
    carried = {secret.name: text}
    match secret.place:
        case "header":
            return Credentials(headers=carried, values=(text,))
        case "query":
            return Credentials(query=carried, values=(text,))
        case "cookie":
            return Credentials(cookies=carried, values=(text,))


def together(several: Iterable[Credentials]) -> Credentials:
    """Return what one request carries that has several secrets, each in a header of its own.

    Raises:
        SecretRefused: two travel in the same header, or one travels elsewhere.
    """
    headers: dict[str, str] = {}
    values: list[str] = []
    for one in several:
        if one.query or one.cookies:
            raise SecretRefused("A secret in the query or in a cookie cannot be used here. Use one in a header.")
        taken = {name.lower() for name in headers}
        for name, value in one.headers.items():
            if name.lower() in taken:
                raise SecretRefused(f"Two of the secrets travel as {name!r}. Use one of them.")
            headers[name] = value
        values.extend(one.values)
    return Credentials(headers, values=tuple(values))


def basic(username: str, password: str) -> str:
    """Return user name and password as `Authorization: Basic` carries them (RFC 7617)."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()
