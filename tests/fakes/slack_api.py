"""Slack's Web API over HTTP: three methods, which answer 200 whatever happened.

| behaviour | follows: Slack, "Using the Slack Web API", or the reference of the method |
|---|---|
| `{"ok": true, …}` or `{"ok": false, "error": …}`, status 200 | "Evaluating responses" |
| `not_authed` without a token, `invalid_auth` with another | "Authentication"; each method's "Errors" |
| `missing_scope` with `needed` and `provided` | each method's "Errors" |
| `chat.postMessage`: `channel_not_found`, `not_in_channel`, `no_text` | its "Errors" |
| a body of another type than JSON or a form is not read | "POST bodies" |
| `<…>` and `&` in a text are control characters; the mentions that it makes are noted | "Escaping text" |
| `users.lookupByEmail`: arguments in the query alone; `users_not_found` | its "Errors", its content types |
| `conversations.replies`: `limit`, `cursor`, `next_cursor`; `thread_not_found` | its "Pagination", "Errors" |
| 429 with `Retry-After` and `ratelimited`: one message a second in a channel | "Rate limits" |
"""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.fakes.serving import serving_app
from tests.fakes.window import Window

TOKEN: Final = "xoxb-fake-0123456789"
GENERAL, PRIVATE = "C0GENERAL1", "C0PRIVATE1"
PARENT: Final = "1760000000.000100"

Answer = dict[str, Any]


@dataclass(slots=True)
class Slack:
    """The running service, what its token may do, and what was posted."""

    url: str
    scopes: set[str] = field(default_factory=lambda: {"chat:write", "users:read.email", "channels:history"})
    posting: Window = field(default_factory=lambda: Window(1, 1))
    messages: list[Answer] = field(
        default_factory=lambda: [
            {"channel": GENERAL, "ts": PARENT, "thread_ts": PARENT, "user": "U01", "text": "Who takes the fair?"},
            *(
                {
                    "channel": GENERAL,
                    "ts": f"17600001{number:02}.000100",
                    "thread_ts": PARENT,
                    "user": "U02",
                    "text": f"Answer {number}",
                }
                for number in range(60)
            ),
        ]
    )
    mentions: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.posting.now += seconds


@contextmanager
def running_slack() -> Iterator[Slack]:
    """Serve Slack on a free port until the block ends."""
    slack = Slack("")
    with serving_app(_app(slack)) as slack.url:
        yield slack


def _app(slack: Slack) -> Starlette:
    async def post_message(request: Request) -> JSONResponse:
        if wait := slack.posting.wait():
            return JSONResponse(_error("ratelimited"), 429, headers={"Retry-After": str(wait)})
        return JSONResponse(_refused(slack, request, "chat:write") or _posted(slack, await _json(request)))

    async def look_up(request: Request) -> JSONResponse:
        return JSONResponse(_refused(slack, request, "users:read.email") or _user(request.query_params))

    async def replies(request: Request) -> JSONResponse:
        return JSONResponse(
            _refused(slack, request, "channels:history") or _thread(slack, dict(request.query_params))
        )

    return Starlette(
        routes=[
            Route("/chat.postMessage", post_message, methods=["POST"]),
            Route("/users.lookupByEmail", look_up),
            Route("/conversations.replies", replies),
        ]
    )


def _refused(slack: Slack, request: Request, scope: str) -> Answer | None:
    given = request.headers.get("authorization")
    if given is None:
        return _error("not_authed")
    if given != f"Bearer {TOKEN}":
        return _error("invalid_auth")
    if scope not in slack.scopes:
        return _error("missing_scope") | {"needed": scope, "provided": ",".join(sorted(slack.scopes))}
    return None


async def _json(request: Request) -> Answer:
    """Return the body; of any other type than JSON the method sees nothing."""
    kind = request.headers.get("content-type", "").replace(" ", "").lower()
    body: Answer = await request.json() if kind.startswith("application/json") else {}
    return body


def _posted(slack: Slack, body: Answer) -> Answer:
    channel, text = body.get("channel"), str(body.get("text") or "")
    if channel not in {GENERAL, PRIVATE}:
        return _error("channel_not_found")
    if channel == PRIVATE:
        return _error("not_in_channel")
    if not text:
        return _error("no_text")
    slack.mentions += re.findall(r"<(!channel|!here|!everyone|@[A-Z0-9]+)(?:\|[^>]*)?>", text)
    ts = f"17610000{len(slack.messages):02}.000200"
    message = {"channel": channel, "ts": ts, "user": "U00", "text": text, "unfurl": body.get("unfurl_links")}
    if "thread_ts" in body:
        message["thread_ts"] = body["thread_ts"]
    slack.messages.append(message)
    return {"ok": True, "channel": channel, "ts": ts, "message": message}


def _user(asked: Any) -> Answer:
    if asked.get("email") != "mira@example.com":
        return _error("users_not_found")
    return {"ok": True, "user": {"id": "U02", "name": "mira", "profile": {"email": "mira@example.com"}}}


def _thread(slack: Slack, asked: dict[str, str]) -> Answer:
    if asked.get("channel") != GENERAL:
        return _error("channel_not_found")
    thread = [one for one in slack.messages if one.get("thread_ts") == asked.get("ts")]
    if not thread:
        return _error("thread_not_found")
    begin = int(base64.b64decode(asked["cursor"])) if "cursor" in asked else 0
    end = begin + int(asked.get("limit", 1000))
    more = end < len(thread)
    cursor = base64.b64encode(str(end).encode()).decode() if more else ""
    return {
        "ok": True,
        "messages": thread[begin:end],
        "has_more": more,
        "response_metadata": {"next_cursor": cursor},
    }


def _error(error: str) -> Answer:
    return {"ok": False, "error": error}
