"""One message that grows while it is written: by Slack's streaming methods, or by editing it.

`Streamed` follows chat.startStream, appendStream and stopStream; where Slack does not stream, or ends the stream
early, `Edited` goes on with chat.update. Both know Slack's limits, never where the text comes from.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import anyio

from integrations.slack.mrkdwn import harmless, mrkdwn
from integrations.slack.question import Place
from integrations.slack.splitting import parts
from integrations.slack.workspace import GONE, Answer, SlackRefused, SlackUnclear, Workspace

logger = logging.getLogger(__name__)

Blocks = Sequence[Answer]
Posted = Callable[[str], Awaitable[None]]
Lost = Callable[[], Awaitable[str | None]]

_SECTION = 2_900
"""Characters of one section block: Slack takes 3,000."""


class Growing(Protocol):
    """A message that grows."""

    room: int

    async def add(self, text: str, tasks: Blocks) -> None:
        """Show more of the text, and what became of tasks."""
        ...

    async def end(self, text: str, tasks: Blocks, blocks: Blocks) -> None:
        """Show the last of the text, and put blocks under it."""
        ...


class Streamed:
    """A message by Slack's streaming methods.

    Args:
        workspace: where.
        place: the thread.
        user: who asked; Slack wants to know in channels.
        posted: called with the message's ts as soon as there is one.
        lost: finds the message where the connection broke while it was begun.
    """

    room = 11_000
    pause = 1.0

    def __init__(self, workspace: Workspace, place: Place, user: str, posted: Posted, lost: Lost) -> None:
        self._workspace = workspace
        self._place = place
        self._user = user
        self._posted = posted
        self._lost = lost
        self._ts: str | None = None
        self._said = ""
        self._edited: Edited | None = None

    async def add(self, text: str, tasks: Blocks) -> None:
        """Append."""
        self._said += text
        if self._edited is not None:
            await self._edited.add(text, tasks)
            return
        chunks = _chunks(text, tasks)
        if not chunks:
            return
        if self._ts is None:
            with anyio.CancelScope(shield=True):  # a message that is there is also noted
                await self._begin(chunks)
            return
        body = {"channel": self._place.channel, "ts": self._ts, "chunks": chunks}
        try:
            await self._workspace.call("chat.appendStream", body, repeat=False)
        except (SlackRefused, SlackUnclear) as error:
            await self._go_on_by_editing(error)

    async def end(self, text: str, tasks: Blocks, blocks: Blocks) -> None:
        """Stop the stream."""
        if self._ts is None and self._edited is None:
            await self.add(text or "…", tasks)
            text, tasks = "", ()
        if self._edited is not None:
            self._said += text
            await self._edited.end(text, tasks, blocks)
            return
        self._said += text
        body: Answer = {"channel": self._place.channel, "ts": self._ts, "blocks": list(blocks)}
        if chunks := _chunks(text, tasks):
            body["chunks"] = chunks
        try:
            await self._workspace.call("chat.stopStream", body, repeat=False)
        except (SlackRefused, SlackUnclear) as error:
            edited = await self._go_on_by_editing(error)
            await edited.end("", (), blocks)

    async def _begin(self, chunks: Blocks) -> None:
        body: Answer = {
            "channel": self._place.channel,
            "thread_ts": self._place.thread,
            "recipient_team_id": self._place.team,
            "recipient_user_id": self._user,
            "task_display_mode": "timeline",
            "chunks": list(chunks),
        }
        try:
            answer = await self._workspace.call("chat.startStream", body, repeat=False, patient=False)
            self._ts = str(answer["ts"])
        except SlackRefused as error:
            if error.error in GONE or error.error in UNREACHABLE:
                raise
            logger.info(
                "Slack does not stream in %s (%s): the answer is edited in.", self._place.team, error.error
            )
            self._edited = Edited(self._workspace, self._place, self._posted, self._lost)
            await self._edited.add(self._said, ())
            return
        except SlackUnclear as error:
            self._ts = await self._lost()
            await self._go_on_by_editing(error)
            return
        await self._posted(self._ts)

    async def _go_on_by_editing(self, error: SlackRefused | SlackUnclear) -> "Edited":
        """Edit the message to its whole text: what of it has been shown does not matter then."""
        if isinstance(error, SlackRefused) and error.error in GONE:
            raise error
        logger.info("The stream of an answer ended early (%s): it is edited in.", error.code)
        edited = self._edited = Edited(self._workspace, self._place, self._posted, self._lost, ts=self._ts)
        if self._ts is not None:
            await self._posted(self._ts)
            await stop_stream(self._workspace, self._place.channel, self._ts)
        await edited.add(self._said, ())
        return edited


class Edited:
    """A message that is posted and then edited.

    Args:
        ts: of a message that is there already.
    """

    room = 11_000
    pause = 1.5

    def __init__(
        self, workspace: Workspace, place: Place, posted: Posted, lost: Lost, *, ts: str | None = None
    ) -> None:
        self._workspace = workspace
        self._place = place
        self._posted = posted
        self._lost = lost
        self._ts = ts
        self._text = ""
        self._shown = ""
        self._shown_at = -self.pause

    async def add(self, text: str, tasks: Blocks) -> None:
        """Edit the text in, at most so often as Slack likes it."""
        self._text += text
        if self._text.strip() and self._text != self._shown and time.monotonic() - self._shown_at >= self.pause:
            await self._show(())

    async def end(self, text: str, tasks: Blocks, blocks: Blocks) -> None:
        """Edit the whole in."""
        self._text += text
        await self._show(blocks)

    async def _show(self, blocks: Blocks) -> None:
        body = shown(self._text or "…", blocks) | {"channel": self._place.channel}
        if self._ts is not None:
            await self._workspace.call("chat.update", body | {"ts": self._ts})
        else:
            with anyio.CancelScope(shield=True):
                self._ts = await post(self._workspace, body | {"thread_ts": self._place.thread}, self._lost)
                await self._posted(self._ts)
        self._shown, self._shown_at = self._text, time.monotonic()


UNREACHABLE = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "thread_not_found", "user_not_found"}
)
"""Errors that say that nothing can be posted there."""


async def post(workspace: Workspace, body: Answer, lost: Lost) -> str:
    """Post a message once, even if the connection breaks; return its ts."""
    for last in (False, False, True):
        try:
            return str((await workspace.call("chat.postMessage", body, repeat=False))["ts"])
        except SlackUnclear:
            if (found := await lost()) is not None:
                return found
            if last:
                raise
    raise AssertionError("the last try returns or raises")


def shown(markdown: str, blocks: Blocks = ()) -> Answer:
    """Return text and blocks of a whole message from Markdown."""
    sections: list[Answer] = []
    for part in parts(markdown, _SECTION):
        text = mrkdwn(part)
        for piece in parts(text, 3_000) if len(text) > 3_000 else [text]:  # marks make it longer
            sections.append({"type": "section", "text": {"type": "mrkdwn", "text": piece}})
    return {"text": mrkdwn(markdown)[:3_900], "blocks": [*sections, *blocks][:50]}


async def end_begun(workspace: Workspace, channel: str, ts: str, markdown: str) -> None:
    """End a message that another process has begun, streamed or not."""
    await stop_stream(workspace, channel, ts)
    await workspace.call("chat.update", shown(markdown) | {"channel": channel, "ts": ts})


def _chunks(text: str, tasks: Blocks) -> list[Answer]:
    chunks: list[Answer] = [{"type": "markdown_text", "text": harmless(text)}] if text else []
    return [*chunks, *tasks]


async def stop_stream(workspace: Workspace, channel: str, ts: str) -> None:
    """Stop a stream, if it still runs: a message that streams cannot be edited."""
    try:
        await workspace.call("chat.stopStream", {"channel": channel, "ts": ts})
    except (SlackRefused, SlackUnclear) as error:
        logger.debug("the stream had ended: %s", error.code)
