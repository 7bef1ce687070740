"""A small real collector: takes traces by OTLP over HTTP, as protobuf.

| behaviour | follows |
|---|---|
| `POST /v1/traces`, `application/x-protobuf`, gzip allowed | OTLP specification, "OTLP/HTTP request" |
| 200 with an `ExportTraceServiceResponse` | the same, "Full success" |
| 503: try again later | the same, "Retryable response codes" |
"""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collected:
    """What a collector was sent.

    Attributes:
        raw: the bodies, unpacked.
        status: what it answers.
        headers: those of the last request.
        open: answers wait until it is set.
    """

    url: str
    spans: list[Span] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    open: threading.Event = field(default_factory=threading.Event)

    def named(self, name: str) -> Span:
        """Return the one span of this name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span


def attributes_of(span: Span) -> dict[str, Any]:
    """Return a span's attributes as plain values."""
    return {pair.key: _plain(pair.value) for pair in span.attributes}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return getattr(value, kind)


def _handler(collected: Collected) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collected.headers = {name.lower(): value for name, value in self.headers.items()}
            if collected.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces" and collected.status == 200:
                collected.raw.append(body)
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collected.resource = {pair.key: _plain(pair.value) for pair in group.resource.attributes}
                    collected.spans += [span for scope in group.scope_spans for span in scope.spans]
            collected.open.wait(60)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(collected.status if self.path == "/v1/traces" else 404)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def running_collector() -> Iterator[Collected]:
    """Run a collector on a free loopback port."""
    collected = Collected("")
    collected.open.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(collected))
    collected.url = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield collected
    finally:
        collected.open.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
