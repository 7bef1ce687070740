"""Clicks under answers: decisions on calls, feedback, handing over to a person.

Each is acknowledged first and done then. Who may decide on a call is checked here: the approvers that the
persona names, or else whoever asked.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio
from slack_bolt.async_app import AsyncApp

from core.errors import RepertoryError
from integrations.slack import blocks
from integrations.slack.blocks import Ticket
from integrations.slack.desk import Desk
from integrations.slack.modals import REASON, arguments_view, reason_of, reason_view
from integrations.slack.mrkdwn import escaped
from integrations.slack.people import People, word_for
from integrations.slack.question import Kind, Place, Question
from integrations.slack.server import Refused, Server
from integrations.slack.words import failure
from integrations.slack.workspace import Workspace

logger = logging.getLogger(__name__)
Body = Mapping[str, Any]
Ack = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Click:
    """A click on a button of ours.

    Attributes:
        ticket: what the button is about.
        more: what else its value says.
    """

    workspace: Workspace
    body: Body
    user: str
    ticket: Ticket
    more: Mapping[str, str]

    @property
    def channel(self) -> str:
        """Where the message with the button is."""
        return str(self.body["channel"]["id"])

    @property
    def place(self) -> Place:
        """The thread of the message."""
        return Place(self.workspace.app, self.workspace.identity.team, self.channel, self.ticket.thread)

    async def whisper(self, text: str) -> None:
        """Tell the person who clicked, and nobody else."""
        body = {"channel": self.channel, "user": self.user, "text": text}
        if self.ticket.thread:
            body["thread_ts"] = self.ticket.thread
        await self.workspace.call("chat.postEphemeral", body)


@dataclass(frozen=True, slots=True)
class Buttons:
    """What follows from clicks in one Slack app."""

    app: str
    desk: Desk
    server: Server
    people: People

    def register(self, bolt: AsyncApp) -> None:
        """Have bolt bring the clicks here."""
        for action, work in (
            (blocks.APPROVE, self._approve),
            (blocks.DENY, self._deny),
            (blocks.SHOW, self._show),
            (blocks.FEEDBACK, self._rate),
            (blocks.HAND_OVER, self._hand_over),
        ):
            bolt.action(action)(self._handler(work))
        bolt.view(REASON)(self._reason)

    def _handler(self, work: Callable[[Click], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def handle(ack: Ack, body: Body, action: Body) -> None:
            await ack()
            workspace = self.desk.house.workspace(self.app, str(body["team"]["id"]))
            if workspace is None:
                return
            ticket, more = Ticket.read(str(action["value"]))
            click = Click(workspace, body, str(body["user"]["id"]), ticket, more)
            try:
                await work(click)
            except RepertoryError as error:
                logger.warning("A click was not carried out: %s", error.message)
                await _told(click, failure(error, ticket.persona))

        return handle

    async def _approve(self, click: Click) -> None:
        await self._decide(click, "approve", "Approved")

    async def _deny(self, click: Click) -> None:
        await self._decide(click, "deny", "Denied")

    async def _decide(self, click: Click, decision: str, word: str) -> None:
        if not self._may_decide(click):
            await click.whisper("Only the people who are named for it may decide on this.")
            return
        ticket = click.ticket
        key = self.people.deciding_key(self.app, click.user)
        try:
            await self.server.post(f"/api/approvals/{ticket.approval}", key, {"decision": decision})
        except Refused as error:
            if error.status != 409:
                raise
            await click.whisper(escaped(error.message))
            await self._go_on(click)
            return
        message = click.body["message"]
        changed = blocks.decided_call(message.get("blocks") or [], ticket.approval, f"{word} by <@{click.user}>.")
        body = {"channel": click.channel, "ts": message["ts"], "text": message.get("text") or word}
        await self._go_on(click)
        await click.workspace.call("chat.update", body | {"blocks": changed})

    def _may_decide(self, click: Click) -> bool:
        persona = self.desk.cast.find(click.ticket.persona)
        named = persona.slack.approvers if persona and persona.slack else ()
        return click.user in named if named else click.user == click.ticket.asker

    async def _go_on(self, click: Click) -> None:
        """Have the persona go on, as asked by whoever had asked; once for each call."""
        ticket = click.ticket
        await self.desk.ask(
            Question(
                key=f"decided:{ticket.approval}",
                place=click.place,
                ts=str(click.body["actions"][0]["action_ts"]),
                user=ticket.asker,
                text="Go on.",
                kind=Kind.DECIDED,
                persona=ticket.persona,
            )
        )

    async def _show(self, click: Click) -> None:
        key = self.people.deciding_key(self.app, click.user)
        listed: Any = await self.server.get("/api/approvals", key)
        found = next((one for one in listed["data"] if one["id"] == click.ticket.approval), None)
        if found is None or not (self._may_decide(click) or click.user == click.ticket.asker):
            await click.whisper("This call is not yours to see, or it is gone.")
            return
        await click.workspace.call(
            "views.open", {"trigger_id": click.body["trigger_id"], "view": arguments_view(found)}
        )

    async def _rate(self, click: Click) -> None:
        rating = click.more["rating"]
        if rating == "bad":  # within three seconds of the click, or not at all
            view = reason_view(click.ticket.value(channel=click.channel))
            await click.workspace.call("views.open", {"trigger_id": click.body["trigger_id"], "view": view})
        await self._give(click.workspace, click.user, click.ticket, {"rating": rating})
        if rating == "good":
            await click.whisper("Thank you.")

    async def _reason(self, ack: Ack, body: Body, view: Body) -> None:
        await ack()
        workspace = self.desk.house.workspace(self.app, str(body["team"]["id"]))
        reason = reason_of(view)
        if workspace is None or not reason:
            return
        ticket, more = Ticket.read(str(view["private_metadata"]))
        user = str(body["user"]["id"])
        try:
            await self._give(workspace, user, ticket, {"rating": "bad", "reason": reason})
            thanks = {"channel": more["channel"], "user": user, "text": "Thank you, that helps."}
            await workspace.call("chat.postEphemeral", thanks)
        except RepertoryError as error:
            logger.warning("A reason was not kept: %s", error.message)

    async def _give(self, workspace: Workspace, user: str, ticket: Ticket, opinion: Mapping[str, str]) -> None:
        key = self.people.key(self.app, ticket.asker)  # whose answer it is
        by = word_for(workspace.identity.team, user)
        await self.server.post("/api/feedback", key, {"answer": ticket.answer, "by": by, **opinion})

    async def _hand_over(self, click: Click) -> None:
        persona = self.desk.cast.find(click.ticket.persona)
        channel = persona.slack.hand_over if persona and persona.slack else None
        thread = await anyio.to_thread.run_sync(self.desk.threads.find, click.place)
        if channel is None or persona is None or thread is None:
            await click.whisper("Nobody is set up to take over here.")
            return
        if thread.quiet:
            await click.whisper("A person has been asked already.")
            return
        await anyio.to_thread.run_sync(self.desk.threads.remember, click.place, replace(thread, quiet=True))
        where = {"channel": click.channel, "message_ts": click.body["message"]["ts"]}
        link = (await click.workspace.call("chat.getPermalink", where))["permalink"]
        text = f"<@{click.user}> asks for a person instead of {escaped(persona.name)}: <{link}|the thread>"
        await click.workspace.call("chat.postMessage", {"channel": channel, "text": text}, repeat=False)
        await click.whisper(f"I have asked in <#{channel}>, and am silent here until I am mentioned.")


async def _told(click: Click, sentence: str) -> None:
    try:
        await click.whisper(sentence)
    except RepertoryError as error:
        logger.warning("Nobody could be told of it: %s", error.message)
