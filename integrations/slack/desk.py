"""Takes in what Slack delivers, before Slack is told so, and does what follows from it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from integrations.slack import words
from integrations.slack.cast import Cast
from integrations.slack.house import House
from integrations.slack.intake import Changed, changed_in, is_outsider, question_of, thread_of
from integrations.slack.ledger import Ledger
from integrations.slack.question import Kind, Place, Question, State
from integrations.slack.reply import Replying
from integrations.slack.threads import Threads
from integrations.slack.worker import Worker
from integrations.slack.workspace import Workspace

logger = logging.getLogger(__name__)
_MESSAGES = frozenset({"app_mention", "message"})
_CHANGES = frozenset({"message_changed", "message_deleted"})
_REVOKED = frozenset({"tokens_revoked", "app_uninstalled"})


@dataclass(frozen=True, slots=True)
class Desk:
    """Where deliveries come in."""

    ledger: Ledger
    threads: Threads
    cast: Cast
    house: House
    worker: Worker
    replying: Replying

    async def take(self, app: str, body: Mapping[str, Any]) -> bool:
        """Write an event down; False if it was there before.

        Raises:
            RepertoryError: it cannot be written down, so Slack must send it again.
        """
        team, event = str(body["team_id"]), body["event"]
        workspace = self.house.workspace(app, team)
        if workspace is None:
            return False
        question = None
        if event["type"] in _MESSAGES and event.get("subtype") not in _CHANGES:
            question = await self._question(app, team, event, workspace)
        fresh = await anyio.to_thread.run_sync(self.ledger.take, str(body["event_id"]), question)
        if fresh and question is not None:
            self.worker.wake()
        return fresh

    async def ask(self, question: Question) -> bool:
        """Write down a question that no event brought; False if it was there before."""
        fresh = await anyio.to_thread.run_sync(self.ledger.take, None, question)
        self.worker.wake()
        return fresh

    async def follow(self, app: str, body: Mapping[str, Any]) -> None:
        """Do what follows from an event that was written down: edits, deletions, prompts, lost tokens."""
        team, event = str(body["team_id"]), body["event"]
        workspace = self.house.workspace(app, team)
        if workspace is None:
            return
        if event["type"] in _REVOKED:
            workspace.gone = str(event["type"])
            logger.error("The Slack app %r has left workspace %s (%s).", app, team, event["type"])
        elif event["type"] == "file_deleted":
            await self.replying.forget_file(app, team, str(event["file_id"]))
        elif event["type"] == "assistant_thread_started":
            where = event["assistant_thread"]
            await self._suggest(workspace, str(where["channel_id"]), str(where["thread_ts"]))
        elif event["type"] == "app_home_opened" and event.get("tab") == "messages":
            await self._suggest(workspace, str(event["channel"]), None)
        elif event["type"] == "message" and (changed := changed_in(app, team, event)) is not None:
            await self._change(changed)
        elif event["type"] in _MESSAGES and not workspace_allows(self.house, app, event, team):
            await self._turn_away(workspace, event)

    async def _question(
        self, app: str, team: str, event: Mapping[str, Any], workspace: Workspace
    ) -> Question | None:
        if not workspace_allows(self.house, app, event, team):
            return None
        thread = await anyio.to_thread.run_sync(self.threads.find, thread_of(app, team, event))
        return question_of(app, team, event, workspace.identity, thread)

    async def _change(self, changed: Changed) -> None:
        if changed.text is None:
            dropped = await anyio.to_thread.run_sync(self.ledger.drop, changed.place, changed.ts)
            if dropped is not None:
                await self.worker.break_off(dropped.seq)
                await self.replying.withdraw(dropped)
            return
        state = await anyio.to_thread.run_sync(self.ledger.reword, changed.place, changed.ts, changed.text)
        seq = await anyio.to_thread.run_sync(self.ledger.seq_of, changed.place, changed.ts)
        if state in (None, State.WAITING) or seq is None:
            return
        await anyio.to_thread.run_sync(self.ledger.close, seq)
        await self.worker.break_off(seq)
        place = changed.place
        await self.ask(
            Question(
                key=f"{place.app}:{place.team}:{place.channel}:{changed.ts}:{changed.edited}",
                place=place,
                ts=changed.ts,
                user=changed.user,
                text=changed.text,
                kind=Kind.EDITED,
            )
        )

    async def _suggest(self, workspace: Workspace, channel: str, thread: str | None) -> None:
        place = Place(workspace.app, workspace.identity.team, channel, thread or "")
        candidates = self.cast.candidates(place)
        starters = [(one, text) for one in candidates for text in one.conversation_starters][:4]
        if not starters:
            return
        several = len(candidates) > 1
        prompts = [
            {"title": text[:75], "message": f"{one.id}: {text}" if several else text} for one, text in starters
        ]
        body: dict[str, Any] = {"channel_id": channel, "prompts": prompts}
        if thread is not None:
            body["thread_ts"] = thread
        await workspace.call("assistant.threads.setSuggestedPrompts", body)

    async def _turn_away(self, workspace: Workspace, event: Mapping[str, Any]) -> None:
        if event["type"] == "app_mention" or event.get("channel_type") == "im":
            body = {"channel": event["channel"], "user": event["user"], "text": words.OUTSIDER}
            await workspace.call("chat.postEphemeral", body)


def workspace_allows(house: House, app: str, event: Mapping[str, Any], team: str) -> bool:
    """Tell whether the person behind an event is answered."""
    return house.apps[app].outsiders or not is_outsider(event, team)
