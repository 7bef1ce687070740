"""The network guard: an httpx transport that resolves a host, judges the addresses, and connects to those.

There is no second look-up between verdict and connection, so a name that changes its mind gains nothing.
Each request opens its own connection: with TLS, one made for a host is never used for another that shares
its address.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cache

import anyio
import httpx

from actions.addresses import WEB_PORTS, NetworkGrants, canonical_host, port_of, refusal
from actions.errors import AddressRefused

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host; raises `OSError` where there are none."""


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the operating system, which also reads forms such as `127.1` or `0x7f000001`."""
    answers = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@cache
def _trusted() -> ssl.SSLContext:
    """Return the authorities of this machine, read once: each reading takes half a megabyte, slow to free."""
    return httpx.create_ssl_context(trust_env=False)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests to addresses that pass, and to no other.

    Args:
        grants: private hosts that the settings allow.
        resolver: the look-up, replaceable in tests.
        inner: what opens connections; by default plain httpx without proxies from the environment.
    """

    def __init__(
        self,
        grants: NetworkGrants,
        *,
        resolver: Resolver = system_resolver,
        inner: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._grants = grants
        self._resolver = resolver
        self._inner = inner or httpx.AsyncHTTPTransport(
            verify=_trusted(), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Resolve, judge, send.

        Raises:
            AddressRefused: the host leads to an address that may not be reached.
            httpx.ConnectError: the host has no address, or none of them answers.
        """
        url = request.url
        if url.scheme not in WEB_PORTS or not url.host or url.userinfo:
            raise AddressRefused(
                f"An action may not call a {url.scheme!r} URL of this form. Use https://host/path."
            )
        port = port_of(url)
        addresses = await self._addresses(url.host, port, request)
        for number, address in enumerate(addresses, start=1):
            try:
                return await self._inner.handle_async_request(_to_address(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpx.ConnectError(f"The host {url.host!r} has no address.", request=request)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()

    async def _addresses(self, host: str, port: int, request: httpx.Request) -> Sequence[str]:
        granted = canonical_host(host) if self._grants.allow(host, port) else None
        try:
            addresses = await self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"The host {host!r} is not known.", request=request) from error
        for address in addresses:
            reason = refusal(address, granted_name=granted)
            if reason is not None:
                raise AddressRefused(
                    f"The host {host!r} leads to {address}, which {reason}. If actions shall reach it, an "
                    f"administrator adds '{canonical_host(host)}:{port}' to REPERTORY_PRIVATE_HOSTS."
                )
        return addresses


def _to_address(request: httpx.Request, address: str) -> httpx.Request:
    """Aim `request` at `address`; the Host header and the TLS name stay those of the URL."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
