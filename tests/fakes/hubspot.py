"""HubSpot's CRM API over HTTP: the CRM of `examples/crm` behind the door that the real one has.

| behaviour | follows: HubSpot's developer documentation |
|---|---|
| search: `query`, `filterGroups` (5 of 6), `limit` to 200; 400 past 10,000 | "CRM search": "Limitations" |
| search by `associations.contact` | "CRM search": "Search through associations" |
| a page's `paging.next.after`; none on the last | "CRM search": "Paging through results" |
| 201 for what was made, 200 with the record for what was changed | "Objects" |
| `hs_timestamp` is required; 65,536 characters of `hs_note_body` | "Notes": "Properties" |
| a note tied while it is made: `to.id`, `types[].associationTypeId` | "Notes": "Associations" |
| `PUT …/associations/default/…` ties both ways and answers `COMPLETE` | "Associations v4" |
| 401 `INVALID_AUTHENTICATION` without the token | "Handling errors" |
| 403 `MISSING_SCOPES` that names the scopes | "Handling errors", "Scopes" |
| 400 `VALIDATION_ERROR`, 404 `OBJECT_NOT_FOUND`, 409 `CONFLICT`, with `correlationId` | "Handling errors" |
| 429 `RATE_LIMITS`, `policyName`, `Retry-After`: 190 in 10 s (`TEN_SECONDLY_ROLLING`) | "API usage guidelines" |
| 429 at 5 searches in a second (`SECONDLY`) | "CRM search": "Rate limits" |
| `X-HubSpot-RateLimit-*` on all answers but those of searches | "API usage guidelines" |
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from examples.crm.app import Refused, create_app
from examples.crm.store import KNOWN, CrmStore
from tests.fakes.serving import serving_app
from tests.fakes.window import Window

TOKEN: Final = "pat-eu1-fake-0123456789abcdef"
_KIND = re.compile(r"^/crm/v[34]/objects/([a-z]+)")


def _scopes() -> set[str]:
    kinds = ("contacts", "companies", "deals")
    return {f"crm.objects.{kind}.{right}" for kind in kinds for right in ("read", "write")}


@dataclass(slots=True)
class HubSpot:
    """The running service, what its token may do, and what it received."""

    url: str
    store: CrmStore = field(default_factory=CrmStore.seeded)
    scopes: set[str] = field(default_factory=_scopes)
    all_calls: Window = field(default_factory=lambda: Window(190, 10))
    searches: Window = field(default_factory=lambda: Window(5, 1))
    requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.all_calls.now += seconds
        self.searches.now += seconds

    def notes(self) -> list[str]:
        return [one.properties["hs_note_body"] for one in self.store.all("notes")]


@contextmanager
def running_hubspot() -> Iterator[HubSpot]:
    """Serve HubSpot on a free port until the block ends."""
    hubspot = HubSpot("")
    with serving_app(_door(hubspot, create_app(hubspot.store))) as hubspot.url:
        yield hubspot


def _door(hubspot: HubSpot, app: ASGIApp) -> ASGIApp:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request = Request(scope)
        hubspot.requests.append((request.method, scope["raw_path"].decode()))
        try:
            headers = _admit(hubspot, request)
        except Refused as refused:
            wait = {"Retry-After": str(refused.body["wait"])} if "wait" in refused.body else {}
            body = {name: value for name, value in refused.body.items() if name != "wait"}
            await JSONResponse(body, refused.status, headers=wait)(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await app(scope, receive, sending)

    return guarded


def _admit(hubspot: HubSpot, request: Request) -> list[tuple[bytes, bytes]]:
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
        raise Refused(401, "INVALID_AUTHENTICATION", message)
    searching = request.url.path.endswith("/search")
    if wait := hubspot.all_calls.wait():
        raise _limited("ten_secondly_rolling", wait)
    if searching and (wait := hubspot.searches.wait()):
        raise _limited("secondly", wait)
    if missing := _needed(request.method, request.url.path) - hubspot.scopes:
        message = "This app hasn't been granted all required scopes to make this call."
        context = {"requiredGranularScopes": sorted(missing)}
        raise Refused(
            403, "MISSING_SCOPES", message, errors=[{"message": "One or more are required.", "context": context}]
        )
    remaining = str(hubspot.all_calls.limit - len(hubspot.all_calls.taken)).encode()
    return [] if searching else [(b"x-hubspot-ratelimit-remaining", remaining)]


def _limited(policy: str, wait: int) -> Refused:
    message = f"You have reached your {policy} limit."
    return Refused(429, "RATE_LIMITS", message, errorType="RATE_LIMIT", policyName=policy.upper(), wait=wait)


def _needed(method: str, path: str) -> set[str]:
    """Return the scopes of a call: those of notes are those of contacts ("Notes": "Scope requirements")."""
    kind = _KIND.match(path)
    if kind is None or kind[1] not in KNOWN:
        return set()
    objects = "contacts" if kind[1] == "notes" else kind[1]
    reads = method == "GET" or path.endswith("/search")
    return {f"crm.objects.{objects}.{'read' if reads else 'write'}"}
