"""The network guard: which addresses are refused, and that the judged address is the one that is reached."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actions import AddressRefused, NetworkGrants
from actions.addresses import refusal
from actions.guard import GuardedTransport, Resolver
from core.errors import InvalidRequest

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

PRIVATE_ADDRESSES = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "100.64.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2a00::5efe:10.0.0.1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "no address",
]

URLS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://0/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://169.254.43518/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:169.254.169.254]/",
    "http://[64:ff9b::7f00:1]/",
    "http://localhost/",
    "http://LOCALHOST:80/",
    "https://127.0.0.1:8443/",
]


class _Inner(httpx.AsyncBaseTransport):
    """Notes what would have been connected to; the addresses in `dead` do not answer."""

    def __init__(self, dead: Sequence[str] = ()) -> None:
        self.requests: list[httpx.Request] = []
        self._dead = dead

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host in self._dead:
            raise httpx.ConnectError("refused")
        return httpx.Response(200)


def _resolver(*answers: Sequence[str]) -> Resolver:
    """Answer with each of `answers` in turn, as a name that changes its mind."""
    rest = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return rest.pop(0)

    return resolve


def _get(transport: httpx.AsyncBaseTransport, url: str) -> httpx.Response:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            return await client.get(url)

    return anyio.run(run)


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_an_address_that_is_not_on_the_public_internet_is_refused(address: str) -> None:
    assert refusal(address) is not None


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_a_public_address_passes(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize("url", URLS)
def test_no_way_of_writing_a_private_address_gets_through(url: str) -> None:
    inner = _Inner()

    with pytest.raises((AddressRefused, httpx.InvalidURL)):
        _get(GuardedTransport(NetworkGrants(), inner=inner), url)

    assert inner.requests == []


@pytest.mark.parametrize("url", ["http://api.example@127.0.0.1/", "http://api.example:80@127.0.0.1/"])
def test_a_user_name_before_the_host_is_refused(url: str) -> None:
    inner = _Inner()

    with pytest.raises(AddressRefused):
        _get(GuardedTransport(NetworkGrants(), resolver=_resolver([PUBLIC]), inner=inner), url)

    assert inner.requests == []


@pytest.mark.parametrize("answer", [["10.0.0.7"], [PUBLIC, "10.0.0.7"], ["::ffff:10.0.0.7"]])
def test_a_name_that_leads_anywhere_private_is_refused(answer: list[str]) -> None:
    inner = _Inner()

    with pytest.raises(AddressRefused, match=r"adds 'api.example:80' to REPERTORY_PRIVATE_HOSTS"):
        _get(GuardedTransport(NetworkGrants(), resolver=_resolver(answer), inner=inner), "http://api.example/")

    assert inner.requests == []


def test_the_judged_address_is_reached_even_if_the_name_changes_its_mind() -> None:
    inner = _Inner()
    transport = GuardedTransport(NetworkGrants(), resolver=_resolver([PUBLIC], ["127.0.0.1"]), inner=inner)

    _get(transport, "https://api.example/path?q=1")

    (request,) = inner.requests
    assert request.url == f"https://{PUBLIC}/path?q=1"
    assert request.headers["host"] == "api.example"
    assert request.extensions["sni_hostname"] == "api.example"


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    inner = _Inner(dead=[PUBLIC_6])
    _get(
        GuardedTransport(NetworkGrants(), resolver=_resolver([PUBLIC_6, PUBLIC]), inner=inner),
        "http://api.example/",
    )

    assert [request.url.host for request in inner.requests] == [PUBLIC_6, PUBLIC]


def test_a_granted_name_reaches_its_private_address_and_only_on_its_port() -> None:
    grants = NetworkGrants.parse(["CRM.internal.:8443"])
    inner = _Inner()

    _get(GuardedTransport(grants, resolver=_resolver(["10.0.0.7"]), inner=inner), "https://crm.internal:8443/")
    with pytest.raises(AddressRefused):
        _get(GuardedTransport(grants, resolver=_resolver(["10.0.0.7"]), inner=inner), "https://crm.internal/")

    assert [str(request.url) for request in inner.requests] == ["https://10.0.0.7:8443/"]


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "168.63.129.16"])
def test_a_granted_name_never_reaches_a_metadata_service(address: str) -> None:
    grants = NetworkGrants.parse(["crm.internal:80"])

    with pytest.raises(AddressRefused, match="metadata"):
        _get(GuardedTransport(grants, resolver=_resolver([address]), inner=_Inner()), "http://crm.internal/")


@pytest.mark.parametrize(
    "entry", ["crm.internal", "crm.internal:", ":80", "crm:99999", "http://crm:80", "u@crm:80"]
)
def test_a_grant_that_is_no_host_and_port_is_refused(entry: str) -> None:
    with pytest.raises(InvalidRequest, match="host:port"):
        NetworkGrants.parse([entry])


@asynccontextmanager
async def _tls_server(folder: Path, name: str) -> AsyncIterator[tuple[int, list[str | None], ssl.SSLContext]]:
    """Serve over TLS with a fresh certificate for `name`; give port, server names seen, a client context."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    path = folder / "server.pem"
    path.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    seen: list[str | None] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    context.sni_callback = lambda _socket, server_name, _context: seen.append(server_name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        client = ssl.create_default_context(cadata=pem.decode())
        yield server.sockets[0].getsockname()[1], seen, client


def test_tls_names_and_verifies_the_host_although_the_address_is_dialled(tmp_path: Path) -> None:
    async def run() -> None:
        async with _tls_server(tmp_path, "crm.example") as (port, seen, context):
            grants = NetworkGrants.parse([f"crm.example:{port}", f"other.example:{port}"])
            inner = httpx.AsyncHTTPTransport(verify=context)
            transport = GuardedTransport(grants, resolver=_resolver(["127.0.0.1"], ["127.0.0.1"]), inner=inner)
            async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
                good = await client.get(f"https://crm.example:{port}/")
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(f"https://other.example:{port}/")
            assert good.text == "ok"
            assert seen == ["crm.example", "other.example"]

    anyio.run(run)
