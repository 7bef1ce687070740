"""The bolt app: signatures, tokens and routing are bolt's; what it hears goes to the desk.

Slack is told that an event came in once it is written down, and within three seconds. One that cannot be
written down is not acknowledged, so that Slack sends it again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from core.errors import RepertoryError
from integrations.slack.config import SlackApp
from integrations.slack.desk import Desk

logger = logging.getLogger(__name__)
_WRITE_SECONDS = 2.5
"""Slack waits for three."""

Body = dict[str, Any]
Next = Callable[[], Awaitable[Any]]


def bolt_app(app: SlackApp, desk: Desk, api: str) -> AsyncApp:
    """Return the bolt app of one Slack app, which takes events; clicks and commands are registered by others."""

    async def authorize(team_id: str | None, enterprise_id: str | None) -> AuthorizeResult | None:
        workspace = desk.house.workspace(app.name, team_id or "")
        if workspace is None:
            return None
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=workspace.identity.bot_user,
            bot_id=workspace.identity.bot,
            bot_token=workspace.token.get_secret_value(),
        )

    bolt = AsyncApp(
        name=app.name,
        logger=logging.getLogger("integrations.slack.library"),
        signing_secret=app.signing_secret.get_secret_value() if app.signing_secret else "",
        client=AsyncWebClient(base_url=api),
        authorize=authorize,  # type: ignore[arg-type]  # None is taken, too
    )
    bolt.middleware(Events(app.name, desk).keep)
    return bolt


class Events:
    """Writes events down before they are acknowledged, and has what follows from them done after that."""

    def __init__(self, app: str, desk: Desk) -> None:
        self._app = app
        self._desk = desk
        self._tasks: set[asyncio.Task[Any]] = set()

    async def keep(self, body: Body, next: Next) -> BoltResponse | None:
        """Take an event; what is no event goes on to its listener."""
        if body.get("type") != "event_callback":
            await next()
            return None
        try:
            kept = await asyncio.wait_for(asyncio.shield(self._begin(self._take(body))), _WRITE_SECONDS)
        except TimeoutError:  # it is written down in the end, and what comes again is then known
            logger.error("An event was not written down in time, so Slack sends it again.")
            kept = False
        return BoltResponse(status=200 if kept else 503, body="")

    async def _take(self, body: Body) -> bool:
        """Write an event down; tell whether it is."""
        try:
            if await self._desk.take(self._app, body):
                self._begin(self._follow(body))
        except RepertoryError as error:
            logger.error("An event could not be written down, so Slack must send it again: %s", error.message)
            return False
        return True

    async def _follow(self, body: Body) -> None:
        try:
            await self._desk.follow(self._app, body)
        except RepertoryError as error:
            logger.warning("What follows from an event was not done: %s", error.message)

    def _begin(self, work: Coroutine[Any, Any, bool | None]) -> asyncio.Task[bool | None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
