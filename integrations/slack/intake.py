"""From Slack's events to questions: what is meant for a persona, and what is not. Pure.

A mention is; so is a direct message; so is what is said in a thread that a persona answers in, unless it is
said to somebody else. Messages of bots never are.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.slack.question import Kind, Place, Question, Thread
from integrations.slack.workspace import Identity

Event = Mapping[str, Any]
_SAID = frozenset({None, "file_share", "thread_broadcast"})
_TO_SOMEBODY = re.compile(r"\s*<@([UW][A-Z0-9]+)")


@dataclass(frozen=True, slots=True)
class Changed:
    """A message that was edited (`text`) or deleted (None)."""

    place: Place
    ts: str
    text: str | None
    user: str = ""
    edited: str = ""


def thread_of(app: str, team: str, event: Event) -> Place:
    """Return the thread that an event is in; a message outside of any begins its own."""
    return Place(app, team, str(event["channel"]), str(event.get("thread_ts") or event["ts"]))


def question_of(app: str, team: str, event: Event, me: Identity, thread: Thread | None) -> Question | None:
    """Return the question in an event, if it is one.

    Args:
        app: name of the Slack app.
        team: the workspace.
        event: a message or a mention.
        me: who the app is there.
        thread: what is remembered of the event's thread.
    """
    if event.get("bot_id") or event.get("subtype") not in _SAID or not event.get("user"):
        return None
    kind = _kind(event, me, thread)
    if kind is None:
        return None
    place = thread_of(app, team, event)
    return Question(
        key=f"{app}:{team}:{place.channel}:{event['ts']}",
        place=place,
        ts=str(event["ts"]),
        user=str(event["user"]),
        text=str(event.get("text") or ""),
        kind=kind,
        files=files_of(event),
    )


def changed_in(app: str, team: str, event: Event) -> Changed | None:
    """Return what was edited or deleted by an event, if anything of a person's was."""
    if event.get("subtype") == "message_deleted":
        before = event.get("previous_message") or {}
        ts = str(event["deleted_ts"])
        thread = str(before.get("thread_ts") or ts)
        return Changed(Place(app, team, str(event["channel"]), thread), ts, None)
    if event.get("subtype") != "message_changed":
        return None
    now = event["message"]
    if now.get("bot_id") or "edited" not in now:  # links that unfold change a message, too
        return None
    place = Place(app, team, str(event["channel"]), str(now.get("thread_ts") or now["ts"]))
    return Changed(
        place, str(now["ts"]), str(now.get("text") or ""), str(now.get("user") or ""), str(now["edited"]["ts"])
    )


def is_outsider(event: Event, team: str) -> bool:
    """Tell whether an event comes from a person of another workspace, in a shared channel."""
    home = event.get("user_team") or event.get("source_team") or event.get("team")
    return home is not None and home != team


def files_of(event: Event) -> Sequence[Mapping[str, object]]:
    """Return the files of a message: what is needed to fetch them."""
    names = ("id", "name", "size", "mimetype", "url_private_download", "url_private")
    return tuple({name: one[name] for name in names if name in one} for one in event.get("files") or ())


def _kind(event: Event, me: Identity, thread: Thread | None) -> Kind | None:
    if event["type"] == "app_mention":
        return Kind.MENTION
    text = str(event.get("text") or "")
    if event.get("channel_type") == "im":
        return Kind.DIRECT
    if f"<@{me.bot_user}" in text:
        return None  # comes as a mention, too
    if thread is None or thread.quiet or "thread_ts" not in event:
        return None
    return None if _TO_SOMEBODY.match(text) else Kind.FOLLOW_UP
