"""A receiver of webhooks over HTTP.

| behaviour | follows |
|---|---|
| 401 with `WWW-Authenticate` without the token | RFC 9110, 15.5.2 |
| 404 for any other path than its own, a slash more or less included | RFC 9110, 15.5.5 |
| 405 with `Allow` for other methods than POST | RFC 9110, 15.5.6 |
| 415 for another type than JSON | RFC 9110, 15.5.16 |
| 413 over 64 KiB | RFC 9110, 15.5.14 |
| 400 for what is no JSON object, 422 for an unknown event | RFC 9110, 15.5.1 and 15.5.21 |
| 202 without a body for what it took | RFC 9110, 15.3.3 |
| the same `Idempotency-Key` is taken once and answered alike | draft-ietf-httpapi-idempotency-key-header, 2.6 |
| 429 with `Retry-After` | RFC 6585, 4 |
| 410 once it is closed | RFC 9110, 15.5.11 |
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.serving import serving_app
from tests.fakes.window import Window

TOKEN: Final = "whk-fake-0123456789"
PATH: Final = "/hooks/orders/7f3a"
_LARGEST = 65_536


@dataclass(slots=True)
class Webhook:
    """The running receiver and what it took."""

    url: str
    events: frozenset[str] = frozenset({"order_paid", "order_lost"})
    closed: bool = False
    window: Window = field(default_factory=lambda: Window(10, 60))
    taken: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://").partition("/")[0]


@contextmanager
def running_webhook() -> Iterator[Webhook]:
    """Serve a receiver on a free port until the block ends."""
    webhook = Webhook("")

    async def receive(request: Request) -> Response:
        return _answer(webhook, request, await request.body())

    app = Starlette(routes=[Route(PATH, receive, methods=["POST"])])
    app.router.redirect_slashes = False
    with serving_app(app) as base:
        webhook.url = base + PATH
        yield webhook


def _answer(webhook: Webhook, request: Request, raw: bytes) -> Response:
    if webhook.closed:
        return Response(status_code=410)
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
    if wait := webhook.window.wait():
        return Response(status_code=429, headers={"Retry-After": str(wait)})
    if request.headers.get("content-type") != "application/json":
        return Response(status_code=415)
    if len(raw) > _LARGEST:
        return Response(status_code=413)
    try:
        body = orjson.loads(raw)
    except ValueError:
        return Response("no JSON", status_code=400)
    if not isinstance(body, dict):
        return Response("no object", status_code=400)
    if body.get("event") not in webhook.events:
        return Response(f"unknown event {body.get('event')!r}", status_code=422)
    key = request.headers.get("idempotency-key")
    if key is None or key not in webhook.keys:
        webhook.taken.append(body)
        webhook.keys |= {key} if key else set()
    return Response(status_code=202)
