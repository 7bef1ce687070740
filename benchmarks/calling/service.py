"""A small HTTP service on loopback that says yes to everything and writes down which calls arrive."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_ANSWER = b'{"done": true}'


@dataclass(frozen=True, slots=True)
class Service:
    """A running service.

    Attributes:
        address: its `host:port`.
        calls: method and target of the calls that arrived, the oldest first.
    """

    address: str
    calls: list[str] = field(default_factory=list)


@contextmanager
def recording() -> Iterator[Service]:
    """Run the service in a thread of its own."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            calls.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(_ANSWER)))
            self.end_headers()
            self.wfile.write(_ANSWER)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's own names

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Service(f"127.0.0.1:{server.server_port}", calls)
        finally:
            server.shutdown()
            thread.join()
