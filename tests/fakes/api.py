"""A small real HTTP server that answers as Repertory's gateway does, for tests of its clients.

It knows nothing: every test says which path answers what, and reads afterwards what was asked.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Request:
    """One request that came in."""

    method: str
    path: str
    authorization: str | None
    body: object
    query: str = ""


@dataclass(slots=True)
class Api:
    """What the server answers, and what it was asked."""

    url: str = ""
    answers: dict[str, list[tuple[int, object]]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def answer(self, route: str, body: object, status: int = 200) -> None:
        """Let `route` (`GET /x`) answer with `body`; several answers go out in turn, the last one stays.

        A list of frames under a chat route is sent as a stream.
        """
        self.answers.setdefault(route, []).append((status, body))

    def stream(self, *texts: str, finish: str | None = "stop", annotations: object = None) -> None:
        """Let the chat endpoint stream `texts`."""
        frames: list[object] = [{"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]}]
        frames += [
            {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts
        ]
        if annotations is not None:
            frames.append(
                {"choices": [{"index": 0, "delta": {"annotations": annotations}, "finish_reason": None}]}
            )
        if finish is not None:
            frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        self.answer("POST /v1/chat/completions", frames)


@contextmanager
def serving_api() -> Iterator[Api]:
    """Serve on a free port of loopback until the block ends."""
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def log_message(self, *_arguments: object) -> None:
            return

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            path, _, query = self.path.partition("?")
            body = json.loads(raw or b"null")
            api.requests.append(Request(self.command, path, self.headers.get("authorization"), body, query))
            planned = api.answers.get(f"{self.command} {path}")
            if not planned:
                self._send(404, "application/json", json.dumps({"error": {"message": "No such address."}}))
                return
            status, body = planned.pop(0) if len(planned) > 1 else planned[0]
            if path.endswith("/chat/completions") and isinstance(body, list):
                lines = [": keep-alive", *(f"data: {json.dumps(frame)}" for frame in body), "data: [DONE]"]
                self._send(status, "text/event-stream", "".join(f"{line}\n\n" for line in lines))
            else:
                self._send(status, "application/json", json.dumps(body))

        def _send(self, status: int, kind: str, text: str) -> None:
            content = text.encode()
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
