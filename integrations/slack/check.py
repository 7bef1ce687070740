"""Whether everything is set up: tokens, scopes, and the mapping of personas to channels."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass

from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient

from core.errors import RepertoryError
from integrations.slack.cast import Cast, Persona
from integrations.slack.config import Setup, SlackApp
from integrations.slack.manifest import SCOPES
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
    apps, teams = setup.apps(), set[str]()
    for app in apps:
        workspaces: list[Workspace] = []
        async for finding in _app(setup, app, workspaces):
            yield finding
        async for finding in _channels(app, workspaces, cast):
            yield finding
        teams |= {one.identity.team for one in workspaces}
    for persona in cast.personas:
        for finding in _astray(persona, {app.name for app in apps}, teams):
            yield finding


async def _app(setup: Setup, app: SlackApp, workspaces: list[Workspace]) -> AsyncIterator[Finding]:
    """Look at the tokens of an app; note the workspaces that they open."""
    if app.app_token is not None:
        yield await _socket(app, app.app_token, setup.slack_api)
    for number, token in enumerate(app.bot_tokens, start=1):
        what = f"app {app.name!r}, bot token {number}"
        try:
            workspace = await Workspace.enter(app.name, token, setup.slack_api)
        except RepertoryError as error:
            yield Finding(what, False, error.message)
            continue
        workspaces.append(workspace)
        me = workspace.identity
        yield Finding(what, True, f"{me.bot_user} in {me.team} {me.team_name}".strip())
        if me.scopes:
            missing = sorted(set(SCOPES) - me.scopes)
            words = (
                f"missing: {', '.join(missing)}; add them and install the app again" if missing else "all there"
            )
            yield Finding(f"{what}, scopes", not missing, words)


async def _socket(app: SlackApp, token: SecretStr, api: str) -> Finding:
    client = AsyncWebClient(token=token.get_secret_value(), base_url=api, retry_handlers=[])
    try:
        await called(client, "apps.connections.open", {}, repeat=True)
    except RepertoryError as error:
        return Finding(f"app {app.name!r}, app token", False, error.message)
    return Finding(f"app {app.name!r}, app token", True, "opens a connection")


async def _channels(app: SlackApp, workspaces: Sequence[Workspace], cast: Cast) -> AsyncIterator[Finding]:
    """Look for the channels that personas name; each lies in one workspace of the app."""
    for persona in cast.personas:
        placing = persona.slack
        if placing is None or placing.app not in (None, app.name):
            continue
        own = [one for one in workspaces if not placing.workspaces or one.identity.team in placing.workspaces]
        named = [*placing.channels, *([placing.hand_over] if placing.hand_over else [])]
        for channel in dict.fromkeys(named):
            if found := [await _channel(one, channel) for one in own]:
                good, words = max(found)
                yield Finding(f"{persona.id} in {channel}", good, words)


async def _channel(workspace: Workspace, channel: str) -> tuple[bool, str]:
    try:
        info = (await workspace.call("conversations.info", {"channel": channel}))["channel"]
    except SlackRefused as error:
        return False, f"{error.error}: is the id right, and is the app invited?"
    except RepertoryError as error:
        return False, error.message
    member = bool(info.get("is_member"))
    return member, f"#{info.get('name', '')}" if member else "the app is not in it: /invite it there"


def _astray(persona: Persona, apps: Collection[str], teams: Collection[str]) -> Iterator[Finding]:
    """Yield the apps and workspaces that a persona names and nobody has."""
    placing = persona.slack
    if placing is None:
        return
    if placing.app is not None and placing.app not in apps:
        words = f"there is no such app; there is {', '.join(sorted(apps))}"
        yield Finding(f"{persona.id} through the app {placing.app!r}", False, words)
    for team in placing.workspaces:
        if team not in teams:
            yield Finding(f"{persona.id} in workspace {team}", False, "no bot token opens it")
