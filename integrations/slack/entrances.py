"""The slash command and the shortcuts of messages: questions that no event brings."""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slack_bolt.async_app import AsyncApp

from core.errors import RepertoryError
from integrations.slack.buttons import Ack
from integrations.slack.desk import Desk
from integrations.slack.intake import files_of
from integrations.slack.modals import ASK, ask_view, reason_of
from integrations.slack.question import Kind, Place, Question

logger = logging.getLogger(__name__)
Body = Mapping[str, Any]
USE_FILES = "use_files"
_USAGE = "Write your question behind the command, such as `/ask how long may a sprint planning take?`"
_MOST_QUOTED = 2_000


@dataclass(frozen=True, slots=True)
class Entrances:
    """Further ways to ask in one Slack app."""

    app: str
    desk: Desk

    def register(self, bolt: AsyncApp) -> None:
        """Have bolt bring them here."""
        bolt.command(re.compile(r"^/"))(self._command)
        bolt.message_shortcut(ASK)(self._open)
        bolt.message_shortcut(USE_FILES)(self._use_files)
        bolt.view(ASK)(self._submitted)

    async def _command(self, ack: Ack, body: Body) -> None:
        """Take a question behind a slash command; its thread begins with a message that repeats it."""
        text = str(body.get("text") or "").strip()
        if not text:
            await ack(text=_USAGE)
            return
        key = f"command:{body['trigger_id']}"
        place = Place(self.app, str(body["team_id"]), str(body["channel_id"]), key)
        try:
            await self.desk.ask(Question(key, place, key, str(body["user_id"]), text, Kind.COMMAND))
        except RepertoryError as error:
            logger.error("A command could not be written down: %s", error.message)
            await ack(text="I cannot take this in at the moment. Please try again.")
            return
        await ack()

    async def _open(self, ack: Ack, body: Body) -> None:
        await ack()
        workspace = self.desk.house.workspace(self.app, str(body["team"]["id"]))
        if workspace is None:
            return
        message, channel = body["message"], str(body["channel"]["id"])
        about = {
            "channel": channel,
            "ts": message["ts"],
            "thread": message.get("thread_ts") or message["ts"],
            "text": str(message.get("text") or "")[:_MOST_QUOTED],
        }
        try:
            view = ask_view(json.dumps(about))
            await workspace.call("views.open", {"trigger_id": body["trigger_id"], "view": view})
        except RepertoryError as error:
            logger.warning("No window was opened: %s", error.message)

    async def _submitted(self, ack: Ack, body: Body, view: Body) -> None:
        about = json.loads(view["private_metadata"])
        quoted = "\n".join(f"> {line}" for line in str(about["text"]).splitlines())
        question = reason_of(view) or "What does this message mean?"
        place = Place(self.app, str(body["team"]["id"]), about["channel"], about["thread"])
        await self.desk.ask(
            Question(
                key=f"asked:{view['id']}",
                place=place,
                ts=about["ts"],
                user=str(body["user"]["id"]),
                text=f"{question}\n\n{quoted}".strip(),
                kind=Kind.SHORTCUT,
            )
        )
        await ack()

    async def _use_files(self, ack: Ack, body: Body) -> None:
        message = body["message"]
        place = Place(
            self.app,
            str(body["team"]["id"]),
            str(body["channel"]["id"]),
            str(message.get("thread_ts") or message["ts"]),
        )
        user, ts = str(body["user"]["id"]), str(message["ts"])
        files = files_of(message)
        key = f"files:{body['trigger_id']}"  # each click is answered
        await self.desk.ask(Question(key, place, ts, user, "", Kind.SHORTCUT, files=files))
        await ack()
