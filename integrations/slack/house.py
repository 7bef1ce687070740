"""The Slack apps of this process, and the workspaces that their tokens open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integrations.slack.config import SlackApp
from integrations.slack.workspace import Workspace


@dataclass(frozen=True, slots=True)
class House:
    """Apps by name, and workspaces by app and team."""

    apps: Mapping[str, SlackApp]
    workspaces: Mapping[tuple[str, str], Workspace]

    @classmethod
    async def of(cls, apps: Sequence[SlackApp], api: str) -> "House":
        """Ask Slack which workspace each token opens.

        Raises:
            SlackRefused: a token is not good.
            SlackUnclear: Slack does not answer.
        """
        workspaces: dict[tuple[str, str], Workspace] = {}
        for app in apps:
            for token in app.bot_tokens:
                workspace = await Workspace.enter(app.name, token, api)
                workspaces[app.name, workspace.identity.team] = workspace
        return cls({app.name: app for app in apps}, workspaces)

    def workspace(self, app: str, team: str) -> Workspace | None:
        """Return a workspace that an app is in."""
        return self.workspaces.get((app, team))
