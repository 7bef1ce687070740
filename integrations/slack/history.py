"""What was said in a thread. Read from Slack each time: a restart forgets nothing, edits and deletions count."""

from collections.abc import Collection, Mapping, Sequence

from integrations.slack.mrkdwn import said
from integrations.slack.question import Place
from integrations.slack.workspace import Answer, Identity, Workspace

_PAGE, _PAGES = 200, 10
_NO_WORDS = frozenset({"channel_join", "channel_leave", "channel_topic", "channel_purpose", "thread_broadcast"})


async def read_thread(workspace: Workspace, place: Place) -> Sequence[Answer]:
    """Return the messages of a thread, the oldest first.

    Raises:
        SlackRefused: they cannot be read.
        SlackUnclear: Slack does not answer.
    """
    found: list[Answer] = []
    body: Answer = {"channel": place.channel, "ts": place.thread, "limit": _PAGE}
    for _ in range(_PAGES):
        answer = await workspace.call("conversations.replies", body)
        found += answer["messages"]
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            break
        body["cursor"] = cursor
    return found


def conversation(messages: Sequence[Answer], me: Identity, *, until: str, most: int) -> list[Mapping[str, str]]:
    """Return what was said before `until`, as the messages of a chat: the newest that fit.

    Args:
        messages: of the thread.
        me: what I say is the assistant's.
        until: ts of the question, which the caller adds.
        most: characters.
    """
    turns: list[Mapping[str, str]] = []
    for message in messages:
        if message["ts"] >= until or message.get("subtype") in _NO_WORDS:
            continue
        if text := said(str(message.get("text") or ""), me.bot_user):
            turns.append({"role": "assistant" if is_mine(message, me) else "user", "content": text})
    room, kept = most, 0
    for turn in reversed(turns):
        room -= len(turn["content"])
        if room < 0:
            break
        kept += 1
    return turns[len(turns) - kept :]


def stray(messages: Sequence[Answer], me: Identity, *, after: str, known: Collection[str]) -> str | None:
    """Return the message of mine after `after` that nobody has noted, if there is one."""
    mine = [str(one["ts"]) for one in messages if is_mine(one, me)]
    return next((ts for ts in mine if ts > after and ts not in known), None)


def is_mine(message: Answer, me: Identity) -> bool:
    """Tell whether a message is this app's own."""
    return message.get("user") == me.bot_user or (bool(me.bot) and message.get("bot_id") == me.bot)
