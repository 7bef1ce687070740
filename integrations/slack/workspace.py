"""A Slack app in one workspace: its token, who it is there, and calls of the Web API that end well.

A call that Slack limits waits and is made again; one whose connection broke is made again only where that
can do no harm. Whoever posts must look for itself what became of a broken call.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from core.errors import RepertoryError

logger = logging.getLogger(__name__)
_LONGEST_WAIT = 60.0
_TRIES = 6
GONE = frozenset({"token_revoked", "invalid_auth", "account_inactive", "token_expired", "not_authed"})
"""Errors after which a token is of no use any more."""
_READING = frozenset({"chat.getPermalink", "conversations.info", "conversations.replies"})

Answer = dict[str, Any]


class SlackRefused(RepertoryError):
    """Slack says no."""

    code = "slack_refused"

    def __init__(self, method: str, error: str, needed: str | None = None) -> None:
        scope = f" It needs the scope {needed!r}: add it to the app and install the app again." if needed else ""
        super().__init__(f"Slack refuses {method}: {error}.{scope}")
        self.error = error
        self.method = method


class SlackUnclear(RepertoryError):
    """The connection to Slack broke: nobody knows whether the call was made."""

    code = "slack_unclear"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the app is in a workspace, as `auth.test` says."""

    team: str
    bot_user: str
    bot: str
    team_name: str = ""
    scopes: frozenset[str] = frozenset()


class Workspace:
    """One bot token at work.

    Args:
        app: name of the Slack app.
        token: its bot token in this workspace.
        api: base URL of the Web API.
    """

    def __init__(self, app: str, token: SecretStr, identity: Identity, client: AsyncWebClient) -> None:
        self.app = app
        self.token = token
        self.identity = identity
        self.client = client
        self.gone: str | None = None

    @classmethod
    async def enter(cls, app: str, token: SecretStr, api: str) -> "Workspace":
        """Ask Slack who the token is.

        Raises:
            SlackRefused: the token is not good.
            SlackUnclear: Slack does not answer.
        """
        client = AsyncWebClient(token=token.get_secret_value(), base_url=api, timeout=30, retry_handlers=[])
        answer, headers = await called(client, "auth.test", {}, repeat=True)
        scopes = frozenset(one for one in headers.get("x-oauth-scopes", "").replace(" ", "").split(",") if one)
        identity = Identity(
            str(answer["team_id"]),
            str(answer["user_id"]),
            str(answer.get("bot_id") or ""),
            str(answer.get("team") or ""),
            scopes,
        )
        return cls(app, token, identity, client)

    async def call(self, method: str, body: Answer, *, repeat: bool = True, patient: bool = True) -> Answer:
        """Call a method of the Web API.

        Args:
            method: such as `chat.postMessage`.
            body: its arguments.
            repeat: whether the call may be made again after its connection broke.
            patient: whether to wait where Slack limits calls; else that is a refusal.

        Raises:
            SlackRefused: Slack says no.
            SlackUnclear: the connection broke, and with it the knowledge of what became of the call.
        """
        try:
            answer, _ = await called(self.client, method, body, repeat=repeat, patient=patient)
        except SlackRefused as error:
            if error.error in GONE:
                self.gone = error.error
                logger.error(
                    "The bot token of the Slack app %r in workspace %s is of no use any more (%s). Put a new one "
                    "in its place and start again.",
                    self.app,
                    self.identity.team,
                    error.error,
                )
            raise
        return answer


async def called(
    client: AsyncWebClient, method: str, body: Answer, *, repeat: bool, patient: bool = True
) -> tuple[Answer, dict[str, str]]:
    """Call a method; return its answer and the headers that came with it.

    Raises:
        SlackRefused: Slack says no.
        SlackUnclear: the connection broke.
    """
    pause = 0.5
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            answer = await _once(client, method, body)
        except SlackApiError as error:
            response: Any = error.response
            status = int(getattr(response, "status_code", 0) or getattr(response, "status", 500))
            if status == 429 and patient and not last:
                await asyncio.sleep(min(float(response.headers.get("Retry-After", 1)), _LONGEST_WAIT))
                continue
            if status < 500:  # a word of Slack's, not a failure
                code = "ratelimited" if status == 429 else str(response.get("error"))
                raise SlackRefused(method, code, response.get("needed")) from error
            if last or not repeat:
                raise SlackUnclear(f"Slack failed during {method} ({status}).") from error
        except (TimeoutError, aiohttp.ClientError) as error:
            if last or not repeat:
                raise SlackUnclear(f"The connection to Slack broke during {method}.") from error
        else:
            return answer
        await asyncio.sleep(pause)
        pause *= 2
    raise AssertionError("the last try returns or raises")


async def _once(client: AsyncWebClient, method: str, body: Answer) -> tuple[Answer, dict[str, str]]:
    """Send arguments where the method reads them: those that only read take no JSON."""
    if method in _READING:
        answer = await client.api_call(method, http_verb="GET", params=body)
    else:
        answer = await client.api_call(method, json=body)
    data: Any = answer.data
    return dict(data), {name.lower(): str(value) for name, value in answer.headers.items()}
