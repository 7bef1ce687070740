"""The methods of the fake Slack's Web API. Its behaviour table stands in `slack.py`."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.fakes.slack import APP_TOKEN, BOT, BOT_USER, GENERAL, Answer, FakeSlack
from tests.fakes.slack_streams import append_stream, start_stream, stop_stream

Method = Callable[[FakeSlack, Answer], Answer]
_MOST_TEXT, _MOST_UPDATE, _MOST_BLOCKS, _MOST_SECTION, _MOST_VALUE = 40_000, 4_000, 50, 3_000, 2_000


def refused(error: str, **more: object) -> Answer:
    return {"ok": False, "error": error, **more}


def post_message(slack: FakeSlack, body: Answer) -> Answer:
    channel = str(body.get("channel") or "")
    if channel.startswith("U"):
        channel = f"D{channel[1:]}"
    elif channel not in slack.members:
        return refused("channel_not_found" if channel != "C0PRIVATE1" else "not_in_channel")
    if (wrong := ill_formed(body, _MOST_TEXT)) is not None:
        return refused(wrong)
    ts = slack.ts()
    message = {"type": "message", "channel": channel, "user": BOT_USER, "bot_id": BOT, "ts": ts}
    message |= {name: body[name] for name in ("text", "blocks", "thread_ts", "metadata") if name in body}
    slack.messages[ts] = message
    return {"ok": True, "channel": channel, "ts": ts, "message": message}


def update(slack: FakeSlack, body: Answer) -> Answer:
    message = slack.messages.get(str(body.get("ts")))
    if message is None:
        return refused("message_not_found")
    if message.get("bot_id") != BOT:
        return refused("cant_update_message")
    if message.get("streaming"):
        return refused("streaming_state_conflict")
    if (wrong := ill_formed(body, _MOST_UPDATE)) is not None:
        return refused(wrong)
    message |= {name: body[name] for name in ("text", "blocks") if name in body}
    message["updates"] = message.get("updates", 0) + 1
    return {"ok": True, "channel": message["channel"], "ts": message["ts"], "text": message.get("text", "")}


def delete(slack: FakeSlack, body: Answer) -> Answer:
    message = slack.messages.get(str(body.get("ts")))
    if message is None:
        return refused("message_not_found")
    if message.get("bot_id") != BOT:
        return refused("cant_delete_message")
    del slack.messages[str(body["ts"])]
    return {"ok": True, "channel": message["channel"], "ts": message["ts"]}


def post_ephemeral(slack: FakeSlack, body: Answer) -> Answer:
    if body.get("channel") not in slack.members:
        return refused("channel_not_found")
    slack.ephemeral.append(body)
    return {"ok": True, "message_ts": slack.ts()}


def replies(slack: FakeSlack, asked: Answer) -> Answer:
    if asked.get("channel") not in slack.members:
        return refused("channel_not_found")
    thread = slack.thread(str(asked["channel"]), str(asked.get("ts")))
    if not thread:
        return refused("thread_not_found")
    begin = int(base64.b64decode(asked["cursor"])) if "cursor" in asked else 0
    end = begin + int(asked.get("limit", 1000))
    cursor = base64.b64encode(str(end).encode()).decode() if end < len(thread) else ""
    shown = [
        {name: value for name, value in one.items() if name not in ("streaming", "updates")} for one in thread
    ]
    told = {"messages": shown[begin:end], "has_more": bool(cursor)}
    return {"ok": True, **told, "response_metadata": {"next_cursor": cursor}}


def permalink(slack: FakeSlack, asked: Answer) -> Answer:
    if asked.get("message_ts") not in slack.messages:
        return refused("message_not_found")
    link = f"https://fake.slack.com/archives/{asked['channel']}/p{str(asked['message_ts']).replace('.', '')}"
    return {"ok": True, "permalink": link, "channel": asked["channel"]}


def open_view(slack: FakeSlack, body: Answer) -> Answer:
    if body.get("trigger_id") not in slack.triggers:
        return refused("expired_trigger_id")
    slack.triggers.discard(str(body["trigger_id"]))
    view = body["view"] if isinstance(body["view"], dict) else json.loads(body["view"])
    slack.views.append(view)
    return {"ok": True, "view": view | {"id": f"V{slack.number()}"}}


def suggest(slack: FakeSlack, body: Answer) -> Answer:
    if not 1 <= len(body.get("prompts") or []) <= 4:
        return refused("invalid_arguments")
    return {"ok": True}


def channel_info(slack: FakeSlack, asked: Answer) -> Answer:
    channel = asked.get("channel")
    if channel not in slack.members:
        return refused("channel_not_found")
    return {
        "ok": True,
        "channel": {"id": channel, "name": "general" if channel == GENERAL else "x", "is_member": True},
    }


METHODS: dict[str, tuple[Method, str | None]] = {
    "chat.postMessage": (post_message, "chat:write"),
    "chat.update": (update, "chat:write"),
    "chat.delete": (delete, "chat:write"),
    "chat.postEphemeral": (post_ephemeral, "chat:write"),
    "chat.startStream": (start_stream, "chat:write"),
    "chat.appendStream": (append_stream, "chat:write"),
    "chat.stopStream": (stop_stream, "chat:write"),
    "chat.getPermalink": (permalink, None),
    "conversations.replies": (replies, "channels:history"),
    "conversations.info": (channel_info, "channels:read"),
    "views.open": (open_view, None),
    "assistant.threads.setSuggestedPrompts": (suggest, "assistant:write"),
}
_READING = frozenset({"chat.getPermalink", "conversations.replies", "conversations.info", "files.info"})


def routes(slack: FakeSlack) -> list[web.RouteDef]:
    """Return the addresses of a Slack."""

    async def method(request: web.Request) -> web.StreamResponse:
        return await _method(slack, request)

    async def link(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await slack.deliveries.listen(socket)
        return socket

    async def respond(request: web.Request) -> web.Response:
        slack.ephemeral.append(await request.json())
        return web.Response(text="ok")

    async def file(request: web.Request) -> web.Response:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in slack.tokens:
            return web.Response(text="<html>Sign in to Slack</html>", content_type="text/html")
        content = slack.files.get(request.path)
        return web.Response(status=404) if content is None else web.Response(body=content)

    return [
        web.post("/api/{method}", method),
        web.get("/api/{method}", method),
        web.get("/link", link),
        web.post("/response", respond),
        web.get("/files-pri/{rest:.*}", file),
    ]


async def _method(slack: FakeSlack, request: web.Request) -> web.StreamResponse:
    name = request.match_info["method"]
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    body = await _arguments(request, name)
    if name == "apps.connections.open":
        if token != APP_TOKEN or token in slack.revoked:
            return web.json_response(refused("invalid_auth"))
        return web.json_response({"ok": True, "url": f"{slack.url.replace('http', 'ws')}/link"})
    if not token:
        return web.json_response(refused("not_authed"))
    if token in slack.revoked:
        return web.json_response(refused("token_revoked"))
    if token not in slack.tokens:
        return web.json_response(refused("invalid_auth"))
    if name == "auth.test":
        return _who(slack, token)
    return await _carried_out(slack, request, name, body)


async def _carried_out(slack: FakeSlack, request: web.Request, name: str, body: Answer) -> web.StreamResponse:
    if name not in METHODS or ("Stream" in name and not slack.streams):
        return web.json_response(refused("unknown_method"))
    work, scope = METHODS[name]
    if scope is not None and scope not in slack.scopes:
        return web.json_response(refused("missing_scope", needed=scope, provided=",".join(sorted(slack.scopes))))
    key = str(body.get("channel")) if name == "chat.postMessage" else ""
    if wait := slack.limits.wait(name, key):
        headers = {"Retry-After": str(max(1, round(wait + 0.5)))}
        return web.json_response(refused("ratelimited"), status=429, headers=headers)
    slack.calls.append((name, body))
    answer = work(slack, body)
    if (gate := slack.held.get(name)) is not None:
        slack.holding.set()
        await asyncio.to_thread(gate.wait, 60)
    if slack.broken.get(name, 0) > 0:
        slack.broken[name] -= 1
        assert request.transport is not None
        request.transport.abort()
    return web.json_response(answer)


async def _arguments(request: web.Request, name: str) -> Answer:
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json") and name not in _READING:
        body: Answer = await request.json()
        return body
    form: dict[str, Any] = dict(await request.post()) if request.method == "POST" else {}
    return dict(request.query) | form


def _who(slack: FakeSlack, token: str) -> web.Response:
    who = {"ok": True, "team_id": slack.tokens[token], "team": "Fake", "user_id": BOT_USER, "bot_id": BOT}
    return web.json_response(who, headers={"x-oauth-scopes": ",".join(sorted(slack.scopes))})


def ill_formed(body: Answer, most_text: int) -> str | None:
    """Return what is wrong with a message."""
    blocks = body.get("blocks") or []
    if not body.get("text") and not blocks and not body.get("markdown_text"):
        return "no_text"
    if len(str(body.get("text") or "")) > most_text:
        return "msg_too_long"
    return wrong_blocks(blocks)


def wrong_blocks(blocks: list[Answer]) -> str | None:
    """Return what is wrong with blocks."""
    if len(blocks) > _MOST_BLOCKS:
        return "invalid_blocks"
    for block in blocks:
        if block["type"] == "section" and not 1 <= len(block["text"]["text"]) <= _MOST_SECTION:
            return "invalid_blocks"
        for element in block.get("elements") or []:
            values = [element.get("value", "x")]
            values += [
                element[side]["value"] for side in ("positive_button", "negative_button") if side in element
            ]
            if not all(1 <= len(value) <= _MOST_VALUE for value in values):
                return "invalid_blocks"
    return None


Work = Callable[[FakeSlack, Answer], Awaitable[Answer]]
