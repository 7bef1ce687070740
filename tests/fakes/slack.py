"""A small real Slack: Web API, Socket Mode, signed HTTP deliveries, streaming methods, limits.

"§" names a bullet of wire.md §5.1, the rest is Slack's reference of the method or the page.

| behaviour | follows |
|---|---|
| `{"ok": …}` with 200; `not_authed`, `invalid_auth`, `token_revoked`, `missing_scope` | "Web API" |
| `auth.test` tells team, user and bot, and the scopes in a header | "auth.test"; "Authentication" |
| methods that only read take arguments in the query, not JSON | "POST bodies" |
| three seconds for 200 or an ack, then again: three times, with number and reason | § 3-second rule, § Retries |
| `v0=` HMAC-SHA256 over `v0:timestamp:body` | § Signature |
| `apps.connections.open` with `xapp-`; envelopes and acks by `envelope_id` | § Async app, § Testing (d) |
| a mention comes as `app_mention` and as `message`, with two event ids | "app_mention"; "message.channels" |
| `chat.startStream`: `thread_ts`; recipients needed in channels | § Streaming |
| `markdown_text` of at most 12,000 characters | § Streaming |
| `message_not_in_streaming_state` once a stream is stopped or has expired | "chat.appendStream" |
| at most 50 blocks | § Streaming |
| a button's value of at most 2,000 characters; a section's text of at most 3,000 | § Feedback; "Blocks" |
| 429 with `Retry-After`: start and stop tier 2, append tier 4, a message a second | § Streaming; "Rate limits" |
| `assistant.threads.setSuggestedPrompts`, four prompts at most | § Agent UI |
| a `trigger_id` opens one window | "Modals" |
| `conversations.replies` pages with `next_cursor`; `thread_not_found` | its "Pagination", "Errors" |
| files are fetched with the bot token; without it there is a page for people | "Working with files" |
"""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.fakes.slack_deliveries import Deliveries
from tests.fakes.slack_limits import Limits

TEAM, BOT_USER, BOT = "T0FAKE0001", "U0BOT00001", "B0BOT00001"
GENERAL, DIRECT, HELP = "C0GENERAL1", "D0DIRECT01", "C0HELP0001"
BOT_TOKEN: Final = "xoxb-fake-0123456789"
APP_TOKEN: Final = "xapp-fake-0123456789"
SECRET: Final = "signing-secret-of-the-fake"
MIRA, OLE = "U0MIRA0001", "U0OLE00001"
SCOPES = (
    "app_mentions:read,assistant:write,channels:history,channels:read,chat:write,commands,files:read,groups:history,"
    "groups:read,im:history,im:read,im:write"
)
Answer = dict[str, Any]


@dataclass
class FakeSlack:
    """The running service, its levers, and what was done with it.

    Attributes:
        tokens: bot token → workspace.
        members: channels that the app is in.
        revoked: tokens that are good no more.
        streams: whether there are streaming methods; else `unknown_method`.
        stream_appends: appends after which a stream expires; None: never.
        broken: method → how many further calls are carried out with a broken connection.
        calls: (method, arguments) of every call that was let in.
        files: url path → content.
    """

    url: str = ""
    tokens: dict[str, str] = field(default_factory=lambda: {BOT_TOKEN: TEAM})
    scopes: set[str] = field(default_factory=lambda: set(SCOPES.split(",")))
    members: set[str] = field(default_factory=lambda: {GENERAL, DIRECT, HELP})
    revoked: set[str] = field(default_factory=set)
    streams: bool = True
    stream_appends: int | None = None
    broken: dict[str, int] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)
    holding: threading.Event = field(default_factory=threading.Event)
    limits: Limits = field(default_factory=Limits)
    calls: list[tuple[str, Answer]] = field(default_factory=list)
    messages: dict[str, Answer] = field(default_factory=dict)
    ephemeral: list[Answer] = field(default_factory=list)
    views: list[Answer] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    triggers: set[str] = field(default_factory=set)
    deliveries: Deliveries = field(default_factory=Deliveries)
    loop: asyncio.AbstractEventLoop | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def ts(self) -> str:
        """Return the next time."""
        return f"1760000000.{next(self._numbers):06}"

    def number(self) -> int:
        """Return a number that was never given before."""
        return next(self._numbers)

    def thread(self, channel: str, ts: str) -> list[Answer]:
        """Return a message and its replies."""
        found = [one for one in list(self.messages.values()) if one["channel"] == channel]
        return sorted(
            (one for one in found if ts in (one["ts"], one.get("thread_ts"))), key=lambda one: str(one["ts"])
        )

    def answers(self, channel: str, ts: str) -> list[Answer]:
        """Return what the app said in a thread."""
        return [one for one in self.thread(channel, ts) if one.get("bot_id") == BOT]

    def made(self, method: str) -> list[Answer]:
        """Return the arguments of every call of a method."""
        return [body for name, body in list(self.calls) if name == method]

    def say(
        self, text: str, *, channel: str = GENERAL, user: str = MIRA, thread: str | None = None, **more: Any
    ) -> str:
        """Have a person write a message; return its ts."""
        message: Answer = {
            "type": "message",
            "channel": channel,
            "user": user,
            "text": text,
            "ts": self.ts(),
            **more,
        }
        message |= {"team": TEAM} if "team" not in more else {}
        if thread is not None:
            message["thread_ts"] = thread
        self.messages[message["ts"]] = message
        kind = "im" if channel.startswith("D") else "channel"
        events = [message | {"channel_type": kind}]
        if f"<@{BOT_USER}>" in text and kind == "channel":
            events.append(message | {"type": "app_mention"})
        for event in events:
            self.deliver(event)
        return str(message["ts"])

    def edit(self, ts: str, text: str) -> None:
        """Have a person edit a message."""
        before = dict(self.messages[ts])
        self.messages[ts] |= {"text": text, "edited": {"user": before["user"], "ts": self.ts()}}
        event = {"type": "message", "subtype": "message_changed", "channel": before["channel"], "ts": self.ts()}
        self.deliver(event | {"message": dict(self.messages[ts]), "previous_message": before, "hidden": True})

    def erase(self, ts: str) -> None:
        """Have a person delete a message."""
        before = self.messages.pop(ts)
        event = {"type": "message", "subtype": "message_deleted", "channel": before["channel"], "ts": self.ts()}
        self.deliver(event | {"deleted_ts": ts, "previous_message": before, "hidden": True})

    def deliver(self, event: Answer, *, event_id: str | None = None, team: str = TEAM) -> str:
        """Deliver an event; return its id."""
        event_id = event_id or f"Ev{self.number():08}"
        body: Answer = {
            "type": "event_callback",
            "team_id": team,
            "api_app_id": "A0FAKE0001",
            "event_id": event_id,
        }
        body |= {"event": event, "event_time": 1760000000, "authorizations": []}
        self.deliveries.send("events_api", body, event_id)
        return event_id

    def interact(self, payload: Answer) -> str:
        """Deliver a click, a shortcut or a submitted modal; return its trigger id."""
        trigger = f"trigger-{self.number()}"
        self.triggers.add(trigger)
        whole = {
            "team": {"id": TEAM},
            "trigger_id": trigger,
            "api_app_id": "A0FAKE0001",
            "is_enterprise_install": False,
        }
        self.deliveries.send("interactive", whole | payload, trigger)
        return trigger

    def click(self, ts: str, action_id: str, *, user: str = MIRA, index: int = 0, value: str | None = None) -> str:
        """Click a button of a message."""
        message = self.messages[ts]
        found = [one for one in elements(message) if one.get("action_id") == action_id][index]
        action = {"action_id": action_id, "type": found["type"], "action_ts": self.ts()}
        action["value"] = value if value is not None else found["value"]
        payload = {"type": "block_actions", "user": {"id": user, "team_id": TEAM}, "actions": [action]}
        payload |= {"channel": {"id": message["channel"]}, "message": dict(message)}
        payload["container"] = {"type": "message", "message_ts": ts, "channel_id": message["channel"]}
        payload["response_url"] = f"{self.url}/response"
        return self.interact(payload)

    def rate(self, ts: str, rating: str, *, user: str = MIRA) -> str:
        """Click one of the feedback buttons."""
        found = next(one for one in elements(self.messages[ts]) if one["type"] == "feedback_buttons")
        side = "positive_button" if rating == "good" else "negative_button"
        return self.click(ts, found["action_id"], user=user, value=found[side]["value"])

    def submit(self, view: Answer, values: Answer, *, user: str = MIRA) -> None:
        """Submit a modal that was opened."""
        shown = view | {"id": f"V{self.number()}", "state": {"values": values}, "hash": "1"}
        self.interact({"type": "view_submission", "user": {"id": user, "team_id": TEAM}, "view": shown})

    def command(self, text: str, *, command: str = "/ask", channel: str = GENERAL, user: str = MIRA) -> str:
        """Have a person use the slash command."""
        trigger = f"trigger-{self.number()}"
        self.triggers.add(trigger)
        body = {"command": command, "text": text, "channel_id": channel, "user_id": user, "team_id": TEAM}
        body |= {"trigger_id": trigger, "response_url": f"{self.url}/response", "api_app_id": "A0FAKE0001"}
        self.deliveries.send("slash_commands", body, trigger)
        return trigger


def elements(message: Answer) -> list[Answer]:
    """Return the interactive elements of a message."""
    return [one for block in message.get("blocks") or [] for one in block.get("elements") or []]


@contextmanager
def running_slack() -> Iterator[FakeSlack]:
    """Serve Slack on a free port until the block ends."""
    from tests.fakes.slack_methods import routes

    slack = FakeSlack()
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        slack.loop = asyncio.get_running_loop()
        slack.deliveries.loop = slack.loop
        site = web.Application(client_max_size=50_000_000)
        site.add_routes(routes(slack))
        runner = web.AppRunner(site, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        server = web.TCPSite(runner, "127.0.0.1", 0)
        await server.start()
        slack.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await slack.deliveries.close()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield slack
    finally:
        assert slack.loop is not None
        slack.loop.call_soon_threadsafe(stop.set)
        thread.join(10)


Lever = Callable[[FakeSlack], None]
