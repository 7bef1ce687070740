"""Who a person of Slack is at the server: the key that they ask with, and the word for them."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from integrations.slack.config import SlackApp


@dataclass(frozen=True, slots=True)
class People:
    """The keys of people.

    Attributes:
        apps: the Slack apps, by name.
        program: the program's own key.
    """

    apps: Mapping[str, SlackApp]
    program: SecretStr

    def key(self, app: str, user: str) -> SecretStr:
        """Return the key that somebody asks with: their own, the app's, or the program's."""
        given = self.apps[app]
        return given.users.get(user) or given.api_key or self.program

    def deciding_key(self, app: str, user: str) -> SecretStr:
        """Return the key that somebody's decision is made with: their own, or the program's."""
        return self.apps[app].users.get(user) or self.program

    def keys(self, app: str) -> tuple[SecretStr, ...]:
        """Return every key that people of an app ask with."""
        given = self.apps[app]
        return (given.api_key or self.program, *given.users.values())


def word_for(team: str, user: str) -> str:
    """Return how a person is called in transcripts and feedback."""
    return f"slack:{team}:{user}"
