"""Attacks on the network guard with real parts: a local DNS server, real listeners, real TLS.

A listener on loopback stands for everything private. Whatever an attacker writes, it must not hear of it.
"""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest

from actions import ActionConfig, ActionSet, AddressRefused, NetworkGrants, Secrets
from actions.guard import GuardedTransport, Resolver, system_resolver
from core.ids import PersonaId
from tests.actions.documents import document, operation, parameter, write
from tests.actions.test_guard import PUBLIC, _tls_server
from tests.fakes.crm import Crm, running_crm
from tests.fakes.dns import Dns, running_dns


@dataclass
class Victim:
    """A service on loopback that nobody may reach, and how often somebody did."""

    port: int
    heard: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with socket.create_server(("127.0.0.1", 0)) as listener, _heard(listener) as running:
        yield running


@pytest.fixture
def dns() -> Iterator[Dns]:
    with running_dns() as running:
        yield running


@contextmanager
def _heard(listener: socket.socket) -> Iterator[Victim]:
    victim = Victim(listener.getsockname()[1])

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                first = connection.recv(1000).decode("latin-1")
                if first == "end":
                    return
                victim.heard.append(first)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield victim
    finally:
        with socket.create_connection(("127.0.0.1", victim.port)) as ending:
            ending.sendall(b"end")
        thread.join(10)


def _get(url: str, resolver: Resolver = system_resolver, grants: Sequence[str] = ()) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = GuardedTransport(NetworkGrants.parse(grants), resolver=resolver)
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=10) as client:
            return await client.get(url)

    return anyio.run(run)


HOSTS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0177.0.0.1",
    "0177.1",
    "0x7f.0.0.1",
    "0x7F.1",
    "0x7f000001",
    "0X7F000001",
    "017700000001",
    "2130706433",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "0x0",
    "localhost",
    "LocalHost",
    "localhost.",
    "%6c%6f%63alhost",
    "%31%32%37.0.0.1",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "ｌocalhost",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "lo\u00adcalhost",
    "lo\u200bcalhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "api.example@127.0.0.1",
    "api.example:80@localhost",
    "api.example%40127.0.0.1",
    "127.0.0.1#@api.example",
    "127.0.0.1\\@api.example",
    "127.0.0.1%00.api.example",
    "127.0.0.1%2f.api.example",
]

METADATA = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "[fd00:ec2::254]",
]


def _nothing_left(url: str, resolver: Resolver = system_resolver) -> None:
    with pytest.raises((AddressRefused, httpx.InvalidURL, httpx.ConnectError, httpx.UnsupportedProtocol)):
        _get(url, resolver)


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_this_machine_reaches_it(victim: Victim, host: str) -> None:
    name, at, rest = host.rpartition("@")
    authority = f"{host}:{victim.port}" if not rest.startswith("api") else f"{name}:{victim.port}{at}{rest}"
    before = len(victim.heard)

    _nothing_left(f"http://{authority}/")

    assert len(victim.heard) == before


def test_the_victim_would_be_heard_of_if_it_were_reached(victim: Victim) -> None:
    before = len(victim.heard)

    assert _get(f"http://127.0.0.1:{victim.port}/", grants=[f"127.0.0.1:{victim.port}"]).text == "secret"
    assert len(victim.heard) == before + 1


@pytest.mark.parametrize("host", METADATA)
def test_no_spelling_of_a_metadata_service_is_dialled(host: str) -> None:
    with pytest.raises((AddressRefused, httpx.InvalidURL)):
        _get(f"http://{host}/latest/meta-data/")


@pytest.fixture(scope="module")
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


@pytest.fixture(scope="module")
def redirecting(crm: Crm, tmp_path_factory: pytest.TempPathFactory) -> ActionSet:
    """A service that redirects wherever it is told to, and is granted itself."""
    folder = tmp_path_factory.mktemp("redirecting")
    read = operation(operationId="redirect", parameters=[parameter("to", "query")])
    config = ActionConfig(document=write(folder, document({"/redirect": {"get": read}})), server=crm.url)
    return ActionSet.load(
        [config],
        root=folder,
        grants=NetworkGrants.parse([crm.host]),
        secrets=Secrets.none(),
        persona=PersonaId("tester"),
    )


@pytest.mark.parametrize("host", [*HOSTS, *METADATA])
def test_no_redirect_leads_to_this_machine_or_to_a_metadata_service(
    victim: Victim, crm: Crm, redirecting: ActionSet, host: str
) -> None:
    before, asked = len(victim.heard), len(crm.requests)

    target = f"http://{host}:{victim.port}/secret"
    result = anyio.run(lambda: redirecting.call("redirect", {"to": target}))

    assert not result.ok
    assert len(victim.heard) == before
    assert len(crm.requests) == asked + 1


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "ws", "unix", "data", "http+unix"])
def test_only_http_is_spoken(victim: Victim, scheme: str) -> None:
    before = len(victim.heard)

    _nothing_left(f"{scheme}://127.0.0.1:{victim.port}/")

    assert len(victim.heard) == before


@pytest.mark.parametrize("private", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_a_public_name_with_a_private_address_is_refused(victim: Victim, dns: Dns, private: str) -> None:
    dns.names["evil.example"] = [[private]]
    before = len(victim.heard)

    with pytest.raises(AddressRefused):
        _get(f"http://evil.example:{victim.port}/", dns.resolve)

    assert len(victim.heard) == before


def test_a_private_address_among_public_ones_refuses_them_all(victim: Victim, dns: Dns) -> None:
    dns.names["evil.example"] = [[PUBLIC, "127.0.0.1"]]

    with pytest.raises(AddressRefused):
        _get(f"http://evil.example:{victim.port}/", dns.resolve)


def test_a_name_that_turns_private_after_the_verdict_is_asked_only_once(victim: Victim, dns: Dns) -> None:
    """Rebinding: the second answer is this machine. The first one is public, and is what is dialled."""
    dns.names["evil.example"] = [[PUBLIC], ["127.0.0.1"]]
    dialled: list[str] = []
    before = len(victim.heard)

    class Dialling(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            dialled.append(request.url.host)
            return httpx.Response(200)

    async def twice() -> None:
        transport = GuardedTransport(NetworkGrants(), resolver=dns.resolve, inner=Dialling())
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            await client.get(f"http://evil.example:{victim.port}/")
            assert [kind for _, kind in dns.asked] == [1, 28]
            with pytest.raises(AddressRefused):
                await client.get(f"http://evil.example:{victim.port}/")

    anyio.run(twice)

    assert dialled == [PUBLIC]
    assert len(victim.heard) == before


def test_a_granted_name_that_turns_to_a_metadata_service_is_refused(dns: Dns) -> None:
    dns.names["crm.internal"] = [["169.254.169.254"]]

    with pytest.raises(AddressRefused, match="metadata"):
        _get("http://crm.internal:8443/", dns.resolve, ["crm.internal:8443"])


def test_a_grant_of_a_name_is_none_of_another_name_or_port(victim: Victim, dns: Dns) -> None:
    dns.names |= {"crm.internal": [["127.0.0.1"]], "evil.example": [["127.0.0.1"]]}
    grants = [f"crm.internal:{victim.port}"]

    assert _get(f"http://crm.internal:{victim.port}/", dns.resolve, grants).text == "secret"
    for url in (f"http://evil.example:{victim.port}/", "http://crm.internal:1/"):
        with pytest.raises(AddressRefused):
            _get(url, dns.resolve, grants)


def test_a_name_that_does_not_exist_is_no_address(dns: Dns) -> None:
    with pytest.raises(httpx.ConnectError, match="is not known"):
        _get("http://nobody.example/", dns.resolve)


def test_a_certificate_that_no_authority_signed_is_refused(tmp_path: Path, dns: Dns) -> None:
    dns.names["crm.example"] = [["127.0.0.1"]]

    async def run() -> None:
        async with _tls_server(tmp_path, "crm.example") as (port, seen, _context):
            transport = GuardedTransport(NetworkGrants.parse([f"crm.example:{port}"]), resolver=dns.resolve)
            async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(f"https://crm.example:{port}/")
            assert seen == ["crm.example"]

    anyio.run(run)
