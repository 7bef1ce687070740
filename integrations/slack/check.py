"""Whether everything is set up: tokens, scopes, and the mapping of personas to channels."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient

from core.errors import RepertoryError
from integrations.slack.cast import Cast
from integrations.slack.config import Setup, SlackApp
from integrations.slack.manifest import SCOPES
from integrations.slack.question import Place
from integrations.slack.server import Server
from integrations.slack.workspace import SlackRefused, Workspace, called


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    words: str


async def look(setup: Setup) -> AsyncIterator[Finding]:
    """Yield what is found, good and bad."""
    server = Server(setup.server)
    cast = Cast(server, setup.api_key)
    try:
        await cast.refresh()
    except RepertoryError as error:
        yield Finding(f"Repertory at {setup.server}", False, error.message)
    else:
        names = ", ".join(one.id for one in cast.personas)
        words = names or "no persona has a part `integrations.slack`"
        yield Finding(f"Repertory at {setup.server}", bool(names), words)
    finally:
        await server.aclose()
    for app in setup.apps():
        async for finding in _app(setup, app, cast):
            yield finding


async def _app(setup: Setup, app: SlackApp, cast: Cast) -> AsyncIterator[Finding]:
    if app.app_token is not None:
        yield await _socket(app, app.app_token, setup.slack_api)
    for number, token in enumerate(app.bot_tokens, start=1):
        what = f"app {app.name!r}, bot token {number}"
        try:
            workspace = await Workspace.enter(app.name, token, setup.slack_api)
        except RepertoryError as error:
            yield Finding(what, False, error.message)
            continue
        me = workspace.identity
        yield Finding(what, True, f"{me.bot_user} in {me.team} {me.team_name}".strip())
        if me.scopes:
            missing = sorted(set(SCOPES) - me.scopes)
            words = (
                f"missing: {', '.join(missing)}; add them and install the app again" if missing else "all there"
            )
            yield Finding(f"{what}, scopes", not missing, words)
        async for finding in _channels(workspace, cast):
            yield finding


async def _socket(app: SlackApp, token: SecretStr, api: str) -> Finding:
    client = AsyncWebClient(token=token.get_secret_value(), base_url=api, retry_handlers=[])
    try:
        await called(client, "apps.connections.open", {}, repeat=True)
    except RepertoryError as error:
        return Finding(f"app {app.name!r}, app token", False, error.message)
    return Finding(f"app {app.name!r}, app token", True, "opens a connection")


async def _channels(workspace: Workspace, cast: Cast) -> AsyncIterator[Finding]:
    team = workspace.identity.team
    for persona in cast.personas:
        placing = persona.slack
        if placing is None or placing.app not in (None, workspace.app):
            continue
        named = [*placing.channels, *([placing.hand_over] if placing.hand_over else [])]
        for channel in dict.fromkeys(named):
            if channel in placing.channels and persona.speaks(Place(workspace.app, team, channel, "")) is None:
                continue
            what = f"{persona.id} in {channel}"
            try:
                info = (await workspace.call("conversations.info", {"channel": channel}))["channel"]
            except SlackRefused as error:
                yield Finding(what, False, f"{error.error}: is the id right, and is the app invited?")
                continue
            member = bool(info.get("is_member"))
            words = f"#{info.get('name', '')}" if member else "the app is not in it: /invite it there"
            yield Finding(what, member, words)
