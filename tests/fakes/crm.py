"""A small real CRM over HTTP, on a port of loopback, that does what real services do to their clients.

| path | behaviour | after |
|---|---|---|
| `POST /crm/v3/objects/contacts/search` | JSON in, JSON out, 200 | HubSpot CRM API v3, Search |
| `PATCH /crm/v3/objects/contacts/{id}` | echoes the properties, 200 | HubSpot CRM API v3, Update |
| `DELETE /crm/v3/objects/contacts/{id}` | 204 without a body | HubSpot CRM API v3, Archive |
| `GET /echo` | the request's target and headers | |
| `GET /long` | 150,000 characters | GPT Actions: answers stay under 100,000 characters |
| `GET /slow` | headers never come | GPT Actions: 45 seconds for a round trip |
| `POST /broken` | the connection ends in the middle of the body | |
| `GET /redirect?to=…` | 302 with that Location | RFC 9110, 15.4.3 |
| `GET /loop` | redirects to itself | RFC 9110, 15.4 |
| `GET /latin` | text in another charset | RFC 9110, 8.3.2 |
| `GET /packed` | gzip although identity was asked | RFC 9110, 12.5.3 |
| `GET /picture` | a PNG | |
| `GET /cookie` | sets a cookie, and says which cookies came | |
| `POST /status/{code}` | answers with that status | |
| `/flaky`, any method | answers as `planned`, then 200 | RFC 9110, 10.2.3 |
| `GET /poisoned` | what a test made it say | |
| `GET`, `DELETE /held` | answers once `gate` is open; notes how many wait together | |
"""

import gzip
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.fakes.serving import serving_app

BREAKS = 0
"""A planned status that is none: the connection breaks in the middle of the body."""


@dataclass(slots=True)
class Crm:
    """The running service and what it received."""

    url: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    planned: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    poison: str = ""
    held: int = 0
    most_held: int = 0

    @property
    def heard(self) -> str:
        """Everything that ever came in: lines, headers and bodies."""
        lines = [f"{m} {path}?{query}" for (m, path), query in zip(self.requests, self.queries, strict=True)]
        headers = [f"{name}: {value}" for one in self.headers for name, value in one.items()]
        return unquote_plus("\n".join([*lines, *headers, *(body.decode("latin-1") for body in self.bodies)]))

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextmanager
def running_crm() -> Iterator[Crm]:
    """Serve the CRM on a free port until the block ends."""
    crm = Crm("")
    with serving_app(_app(crm)) as crm.url:
        yield crm
        crm.gate.set()  # nothing is held for ever


def _app(crm: Crm) -> ASGIApp:
    app = FastAPI(openapi_url=None)

    @app.post("/crm/v3/objects/contacts/search")
    async def search(request: Request) -> JSONResponse:
        return JSONResponse({"total": 1, "asked": await request.json()})

    @app.patch("/crm/v3/objects/contacts/{contact_id:path}")
    async def update(contact_id: str, request: Request) -> JSONResponse:
        return JSONResponse({"id": contact_id, "properties": (await request.json())["properties"]})

    @app.delete("/crm/v3/objects/contacts/{contact_id}")
    async def archive(contact_id: str) -> Response:
        return Response(status_code=204)

    @app.api_route("/echo", methods=["GET", "POST"])
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"target": str(request.url), "headers": dict(request.headers)})

    @app.post("/status/{code}")
    async def status(code: int) -> Response:
        return Response("why: " + str(code), status_code=code, media_type="text/plain")

    @app.api_route("/flaky", methods=["GET", "POST", "PUT", "DELETE"])
    async def flaky() -> Response:
        status, headers = crm.planned.pop(0) if crm.planned else (200, {})
        if status == BREAKS:
            return StreamingResponse(_half(), media_type="text/plain")
        return Response(f"answered {status}", status_code=status, headers=headers, media_type="text/plain")

    @app.get("/poisoned")
    async def poisoned() -> Response:
        return Response(crm.poison, media_type="text/plain")

    @app.api_route("/held", methods=["GET", "DELETE"])
    async def held() -> Response:
        crm.held += 1
        crm.most_held = max(crm.most_held, crm.held)
        await anyio.to_thread.run_sync(crm.gate.wait, abandon_on_cancel=True)
        crm.held -= 1
        return Response("at last", media_type="text/plain")

    _add_oddities(app)

    async def recording(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            crm.requests.append((scope["method"], scope["raw_path"].decode()))
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            crm.authorizations.append(headers.get("authorization", ""))
            crm.queries.append(scope["query_string"].decode())
            crm.headers.append(headers)

            async def listening() -> Message:
                message = await receive()
                crm.bodies.append(message.get("body", b""))
                return message

            await app(scope, listening, send)
            return
        await app(scope, receive, send)

    return recording


async def _half() -> AsyncIterator[bytes]:
    yield b"half of it"
    raise ConnectionAbortedError


def _add_oddities(app: FastAPI) -> None:
    @app.get("/long")
    async def long() -> Response:
        return Response("x" * 150_000, media_type="text/plain")

    @app.api_route("/slow", methods=["GET", "POST"])
    async def slow() -> Response:
        await anyio.sleep_forever()
        raise AssertionError

    @app.post("/broken")
    async def broken() -> Response:
        return StreamingResponse(_half(), media_type="text/plain")

    @app.get("/redirect")
    async def redirect(to: str) -> Response:
        return RedirectResponse(to, status_code=302)

    @app.get("/loop")
    async def loop() -> Response:
        return RedirectResponse("/loop", status_code=302)

    @app.get("/latin")
    async def latin() -> Response:
        return Response("größe".encode("latin-1"), headers={"content-type": "text/plain; charset=latin-1"})

    @app.get("/packed")
    async def packed() -> Response:
        return Response(gzip.compress(b"x" * 1_000_000), headers={"content-encoding": "gzip"})

    @app.get("/picture")
    async def picture() -> Response:
        return Response(b"\x89PNG", media_type="image/png")

    @app.get("/cookie")
    async def cookie(request: Request) -> Response:
        answer = Response(f"cookies: {request.headers.get('cookie', 'none')}", media_type="text/plain")
        answer.set_cookie("session", "of-somebody-else")
        return answer
