"""Clients that misbehave, on real sockets of a whole server: each gets a clear end, and nobody else notices."""

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psutil
import pytest

from tests.engine.server import RunningServer
from tests.faults.world import World, ask, body, error_of, eventually

pytestmark = pytest.mark.timeout(400)  # a whole server is started, on a machine that may be slow
_IDLE = 5_000
_MOST_GROWTH = 150_000_000
"""Bytes that a server may take for all of these connections."""


def _connect(server: RunningServer, *, window: int | None = None) -> socket.socket:
    made = socket.socket()
    if window is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    made.settimeout(60)
    made.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    return made


def _until_closed(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def _memory(server: RunningServer) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


@contextmanager
def _many_files() -> Iterator[int]:
    """Let this process open many files; yield how many connections it may hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield _IDLE if hard == resource.RLIM_INFINITY else min(_IDLE, hard - 500)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_idle_connections_do_not_keep_a_request_from_its_answer(world: World) -> None:
    with world.server(REPERTORY_CLIENT_SECONDS="600") as server:  # time to make them all
        server.wait_ready()
        before = _memory(server)
        with _many_files() as most, ExitStack() as idle:
            for _ in range(most):
                idle.enter_context(_connect(server))
            process = psutil.Process(server.process.pid)
            eventually(lambda: process.num_fds() > 0.9 * most)
            asked = time.monotonic()
            assert ask(server).status_code == 200
            assert time.monotonic() - asked < 10
            assert _memory(server) - before < _MOST_GROWTH
        eventually(lambda: process.num_fds() < 200)


def test_connections_that_never_ask_anything_are_closed(server: RunningServer) -> None:
    with _connect(server) as silent:
        assert _until_closed(silent) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /livez HTTP/1.1\r\nhost: 127.0",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
        b'content-type: application/json\r\ncontent-length: 500\r\n\r\n{"model": ',
    ],
    ids=["head", "body"],
)
def test_a_request_that_is_never_finished_ends_in_408(server: RunningServer, sent: bytes) -> None:
    with _connect(server) as slow:
        slow.sendall(sent)
        answer = _until_closed(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"


def test_a_head_that_trickles_in_is_not_waited_for_without_end(server: RunningServer) -> None:
    began = time.monotonic()
    with _connect(server) as slow, pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        for number in range(1_000):
            slow.sendall(f"x-{number}: 1\r\n".encode())
            time.sleep(0.1)  # what is tested is a client that takes its time
    assert time.monotonic() - began < 60


def test_a_reader_that_stops_is_ended_and_does_not_hold_up_others(server: RunningServer) -> None:
    process = psutil.Process(server.process.pid)
    eventually(lambda: process.num_fds() < 100)
    before, files = _memory(server), process.num_fds()
    asked = json.dumps(body(stream=True, text=(" " * 3_000 + "word") * 1_000)).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    with ExitStack() as readers:
        for _ in range(5):
            reader = readers.enter_context(_connect(server, window=2_048))
            reader.sendall(head + f"content-length: {len(asked)}\r\n\r\n".encode() + asked)
            assert reader.recv(10) == b"HTTP/1.1 2"
        assert process.num_fds() > files + 2 * 5 - 2  # each has a connection, and one to the engine
        for _ in range(5):
            assert ask(server).status_code == 200
        eventually(lambda: process.num_fds() <= files + 3)
    assert _memory(server) - before < 60_000_000
    assert ask(server).status_code == 200


def test_a_body_of_fifty_megabytes_is_refused_and_not_kept(server: RunningServer) -> None:
    before = _memory(server)
    for content in (b"x" * 50_000_000, (b"x" * 100_000 for _ in range(500))):
        try:
            refused = httpx.post(
                f"{server.url}/v1/chat/completions",
                content=content,
                headers={"content-type": "application/json"},
                timeout=60,
                trust_env=False,
            )
        except httpx.WriteError:  # refused while it was still being sent
            continue
        assert (refused.status_code, error_of(refused)["code"]) == (413, "request_too_large")
    assert _memory(server) - before < 40_000_000
    assert ask(server).status_code == 200


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_nested_without_end_is_refused(server: RunningServer, opening: str) -> None:
    refused = httpx.post(
        f"{server.url}/v1/chat/completions",
        content=opening * 1_000_000,
        headers={"content-type": "application/json"},
        timeout=60,
        trust_env=False,
    )
    assert (refused.status_code, error_of(refused)["code"]) == (400, "invalid_json")
    assert ask(server).status_code == 200


def test_what_is_no_http_gets_an_error_in_our_shape(server: RunningServer) -> None:
    with _connect(server) as confused:
        confused.sendall(b"\x16\x03\x01\x02\x00 is TLS\r\n\r\n")
        answer = _until_closed(confused)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_http"
