"""Which network addresses an action may reach. Owns the verdict; must never open a connection.

Refused are all addresses that are not on the public internet, also in the IPv6 forms that carry an IPv4
address inside (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP), and the metadata services of
clouds, some of which have public-looking addresses.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

from core.errors import InvalidRequest

_NEVER = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("168.63.129.16/32"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("198.18.0.0/15"),
)
_METADATA = (
    IPv4Network("169.254.0.0/16"),
    IPv4Network("168.63.129.16/32"),
    IPv4Network("100.100.100.200/32"),
    IPv4Network("192.0.0.192/32"),
    IPv6Network("fe80::/10"),
    IPv6Network("fd00:ec2::/32"),
)
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_LOW_IPV4 = (IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
_ISATAP = (0x00005EFE, 0x02005EFE)
_PORTS = range(1, 65536)

WEB_PORTS = {"http": 80, "https": 443}
"""The schemes that actions call, and where each leads without a port."""


@dataclass(frozen=True, slots=True)
class NetworkGrants:
    """Private `host:port` pairs that the server's settings allow by name."""

    pairs: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "NetworkGrants":
        """Read entries such as `127.0.0.1:8100`, `crm.internal:443`, `[::1]:8100`.

        Raises:
            InvalidRequest: an entry is no `host:port`.
        """
        pairs = set()
        for entry in entries:
            host, _, port = entry.strip().rpartition(":")
            if not host or not port.isdecimal() or int(port) not in _PORTS or "/" in host or "@" in host:
                raise InvalidRequest(f"The private host {entry!r} is no `host:port`. Write e.g. `127.0.0.1:8100`.")
            pairs.add((canonical_host(host), int(port)))
        return cls(frozenset(pairs))

    def allow(self, host: str, port: int) -> bool:
        """Tell whether the settings allow `host:port` by name."""
        return (canonical_host(host), port) in self.pairs


def canonical_host(host: str) -> str:
    """Return `host` in lower case, without brackets and without the dot of a full name."""
    return host.strip().strip("[]").lower().removesuffix(".")


def port_of(url: httpx.URL) -> int:
    """Return the port that `url` leads to; 0 where its scheme has none here."""
    return url.port or WEB_PORTS.get(url.scheme, 0)


def refusal(address: str, *, granted_name: str | None = None) -> str | None:
    """Say why `address` may not be reached, or None.

    Args:
        address: an IPv4 or IPv6 address as the resolver gave it.
        granted_name: the host that the settings allow, if they do. A granted name may lead to a private
            address, but to a metadata service only if it *is* that address: the name's owner could turn it.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return "is no address"
    translated = isinstance(ip, IPv6Address) and ip in _NAT64[0]  # how an IPv6-only network reaches IPv4
    inner = [*_embedded(ip)] if translated else [ip, *_embedded(ip)]
    if granted_name is not None:
        reaches_metadata = any(one in network for one in inner for network in _METADATA)
        return "is a metadata or link-local address" if reaches_metadata and granted_name != address else None
    return next((reason for one in inner if (reason := _reason(one))), None)


def _reason(ip: IPv4Address | IPv6Address) -> str | None:
    if any(ip in network for network in _METADATA):
        return "is a metadata or link-local address"
    if ip.is_loopback:
        return "is a loopback address"
    if ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return "is a reserved address"
    if not ip.is_global or any(ip in network for network in _NEVER):
        return "is a private address"
    if isinstance(ip, IPv6Address) and ip.is_site_local:
        return "is a private address"
    return None


def _embedded(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address carries."""
    if isinstance(ip, IPv4Address):
        return []
    low = IPv4Address(int(ip) & 0xFFFFFFFF)
    found = [one for one in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if one is not None]
    if any(ip in network for network in (*_NAT64, *_LOW_IPV4)):
        found.append(low)
    if (int(ip) >> 32) & 0xFFFFFFFF in _ISATAP:
        found.append(low)
    return found
