"""Who may knock, over real sockets: DNS rebinding, pages of other sites, and the forms that a Host can take."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from server.connections import connections
from server.middleware.body import BodyGuard
from server.middleware.callers import CallerGuard, page_origins
from tests.server.conftest import Start
from tests.server.serving import serving

PAGE = "https://page.example"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Door:
    """A web server that says yes to whoever the guard lets in."""

    port: int

    def ask(self, request: str) -> Answer:
        """Send these lines; `{port}` is the server's."""
        head = request.replace("{port}", str(self.port)).strip().replace("\n", "\r\n")
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(head.encode("latin-1") + b"\r\nConnection: close\r\n\r\n")
            raw = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        top, _, body = raw.partition("\r\n\r\n")
        status, *lines = top.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(status.split()[1]), headers, body)

    def get(self, *headers: str, host: str = "localhost:{port}", method: str = "GET", path: str = "/") -> Answer:
        return self.ask("\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]))


def running(app: ASGIApp) -> Iterator[Door]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", http=connections(30))
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield Door(listener.getsockname()[1])
        server.should_exit = True
        thread.join(30)


def guarded(**settings: Any) -> ASGIApp:
    return CallerGuard(BodyGuard(PlainTextResponse("yes"), max_bytes=1000), **{"host": "127.0.0.1"} | settings)


@pytest.fixture(scope="module")
def local() -> Iterator[Door]:
    yield from running(guarded())


@pytest.fixture(scope="module")
def public() -> Iterator[Door]:
    listed = {"allowed_hosts": ("Lab.Example", "other.example:8443"), "allowed_origins": (f"{PAGE}/",)}
    yield from running(guarded(host="0.0.0.0", public_url="https://chat.example/app", **listed))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:{port}",
        "LOCALHOST:{port}",
        "localhost.:{port}",
        "127.0.0.1",
        "127.0.0.1:{port}",
        "127.0.0.53:80",
        "[::1]",
        "[::1]:{port}",
        "[0:0:0:0:0:0:0:1]:{port}",
    ],
)
def test_every_form_of_this_machines_name_is_let_in(local: Door, host: str) -> None:
    assert local.get(host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "EVIL.example.",
        "localhost.evil.example:{port}",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "192.168.1.7:{port}",
        "[fe80::1]:{port}",
        "2130706433",
        "127.1",
        "0.0.0.0",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost/evil.example",
        "localhost#evil.example",
        "localhost:{port}:80",
        "localhost, evil.example",
        "localhost:port",
        "l\xf6calhost",
        "::1",
        "[::1",
        "",
    ],
)
def test_a_name_that_may_have_been_rebound_is_refused(local: Door, host: str) -> None:
    refused = local.get(host=host)
    assert refused.status == 403
    assert "host_not_allowed" in refused.body


def test_a_page_that_has_rebound_its_name_is_refused_though_its_requests_are_same_origin(local: Door) -> None:
    headers = ("Origin: http://evil.example:{port}", "Sec-Fetch-Site: same-origin")
    assert local.get(*headers, host="evil.example:{port}").status == 403


def test_a_request_without_host_or_with_two_is_refused(local: Door) -> None:
    assert local.ask("GET / HTTP/1.0").status == 403
    assert local.ask("GET / HTTP/1.1").status in (400, 403)
    assert local.ask("GET / HTTP/1.0\nHost: localhost").status == 200
    for two in ("localhost\nHost: evil.example", "evil.example\nHost: localhost"):
        assert local.ask(f"GET / HTTP/1.1\nHost: {two}").status in (400, 403)


def test_headers_of_proxies_change_nothing(local: Door) -> None:
    for name in ("X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded"):
        value = "host=localhost" if name == "Forwarded" else "localhost"
        assert local.get(f"{name}: {value}", host="evil.example").status == 403
        assert local.get(f"{name}: evil.example").status == 200


def test_a_whole_url_as_target_does_not_stand_in_for_the_host(local: Door) -> None:
    assert local.ask("GET http://localhost/ HTTP/1.1\nHost: evil.example").status == 403
    assert local.ask("GET http://localhost/ HTTP/1.1\nHost: localhost").status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example:{port}",
        "null",
        "http://localhost:1",
        "http://localhost",
        "http://127.0.0.1:{port}",
        "http://localhost:{port}.evil.example",
        "chrome-extension://localhost:{port}",
        "file://",
        "localhost:{port}",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_a_page_of_another_site_is_refused(local: Door, origin: str, method: str) -> None:
    refused = local.get(f"Origin: {origin}", method=method)
    assert refused.status == 403
    assert "origin_not_allowed" in refused.body
    assert "access-control-allow-origin" not in refused.headers


def test_a_page_of_the_server_itself_is_let_in(local: Door) -> None:
    assert local.get("Origin: http://localhost:{port}", "Sec-Fetch-Site: same-origin").status == 200
    assert local.get("Origin: HTTP://LOCALHOST:{port}").status == 200
    assert local.get("Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document").status == 200


def test_a_good_origin_does_not_cover_a_bad_one(local: Door) -> None:
    assert local.get("Origin: http://localhost:{port}", "Origin: https://evil.example").status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "destination"),
    [("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe"), ("no-cors", "empty"), ("cors", "empty")],
)
def test_what_other_sites_load_without_an_origin_is_refused(
    local: Door, site: str, mode: str, destination: str
) -> None:
    fetch = (f"Sec-Fetch-Site: {site}", f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Dest: {destination}")
    assert local.get(*fetch).status == 403


def test_a_person_may_follow_a_link_from_another_site_but_no_form_may(local: Door) -> None:
    fetch = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    assert local.get(*fetch).status == 200
    assert local.get(*fetch, method="POST").status == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "text/plain; x=application/json"]
)
def test_a_form_posts_nothing_even_where_its_browser_sends_no_origin(local: Door, kind: str) -> None:
    refused = local.get(f"Content-Type: {kind}", "Content-Length: 2", method="POST")
    assert refused.status == 400
    assert "unsupported_media_type" in refused.body


def test_a_web_socket_is_never_opened(local: Door) -> None:
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    assert local.get(*upgrade).status != 101
    assert local.get(*upgrade, "Origin: https://evil.example").status == 403


@pytest.mark.anyio
async def test_a_web_socket_is_closed_by_the_guard_under_a_server_that_would_open_it() -> None:
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await guarded()({"type": "websocket", "path": "/", "headers": [(b"host", b"localhost")]}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_public_server_answers_to_addresses_and_to_listed_names(public: Door) -> None:
    good = ["192.168.1.7:8000", "[2001:db8::1]:8000", "lab.example", "LAB.example.:80", "other.example:1"]
    assert [public.get(host=host).status for host in [*good, "chat.example", "localhost"]] == [200] * 7
    assert public.get(host="evil.example").status == 403


def test_listed_pages_and_the_servers_own_address_outside_may_call(public: Door) -> None:
    for origin in (PAGE, "https://chat.example", "https://lab.example"):
        assert public.get(f"Origin: {origin}", "Sec-Fetch-Site: cross-site", host="lab.example").status == 200
    for origin in ("http://page.example", "https://page.example:8443", "https://evil.example", "null"):
        assert public.get(f"Origin: {origin}", host="lab.example").status == 403


def test_origins_are_compared_as_browsers_write_them() -> None:
    assert page_origins(["https://Page.Example:443/", "http://a.example:80", "http://b.example:8080"]) == {
        "https://page.example",
        "http://a.example",
        "http://b.example:8080",
    }


def test_a_listed_page_can_read_answers_and_errors_of_the_whole_server(start: Start) -> None:
    with serving(start(allowed_origins="https://Page.example/", require_keys=True)) as gateway:
        door = Door(int(gateway.base.rpartition(":")[2]))
        wanted = "authorization,content-type,x-stainless-os"
        asking = ("Access-Control-Request-Method: POST", f"Access-Control-Request-Headers: {wanted}")
        preflight = door.get(f"Origin: {PAGE}", *asking, method="OPTIONS")
        unknown_key = door.get(f"Origin: {PAGE}", "Authorization: Bearer rep-wrong", path="/v1/models")
        foreign = door.get("Origin: https://evil.example", *asking, method="OPTIONS")
    assert (preflight.status, unknown_key.status) == (200, 401)
    assert set(wanted.split(",")) <= set(
        preflight.headers["access-control-allow-headers"].replace(" ", "").split(",")
    )
    assert "DELETE" in preflight.headers["access-control-allow-methods"]
    for answer in (preflight, unknown_key):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["x-request-id"]
    assert "retry-after" in unknown_key.headers["access-control-expose-headers"]
    assert (foreign.status, foreign.headers.get("access-control-allow-origin")) == (403, None)
