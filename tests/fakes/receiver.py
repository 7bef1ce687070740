"""A real program that is called back, on loopback: it checks signatures as docs/hooks.md says, and keeps all.

| path | behaviour |
|---|---|
| any | the next status of `statuses`, else 204 |
"""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.callbacks import nothing
from tests.fakes.listening import listening


@dataclass(frozen=True, slots=True)
class Received:
    """One callback as it came."""

    body: bytes
    headers: dict[str, str]
    told: dict[str, Any]

    def signed_by(self, key: str) -> bool:
        """Tell whether `key` signed it, by the documentation's own recipe."""
        stamp = self.headers["x-repertory-timestamp"].encode()
        digest = hmac.new(key.encode(), stamp + b"." + self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(self.headers["x-repertory-signature"], f"v1={digest}")


@dataclass(slots=True)
class Receiver:
    """The running program."""

    host: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    noted: Callable[[str, bytes], None] = nothing
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://{self.host}/answers"

    def wait_for(self, count: int, seconds: float = 30.0) -> list[Received]:
        """Return what came, once there are `count` of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, seconds), self.received
        return self.received

    async def take(self, request: Request) -> Response:
        body = await request.body()
        await anyio.to_thread.run_sync(self.noted, request.url.path, body)
        with self._changed:
            self.received.append(Received(body, dict(request.headers), json.loads(body)))
            status = self.statuses.pop(0) if self.statuses else 204
            self._changed.notify_all()
        return Response(status_code=status)


@contextmanager
def running_receiver(port: int = 0, noted: Callable[[str, bytes], None] = nothing) -> Iterator[Receiver]:
    """Serve on a port, or a free one, until the block ends.

    Args:
        port: where.
        noted: told path and body of each request before it is answered, in a thread.
    """
    receiver = Receiver(noted=noted)
    app = Starlette(routes=[Route("/{path:path}", receiver.take, methods=["POST"])])
    with listening(app, port) as host:
        receiver.host = host
        yield receiver
