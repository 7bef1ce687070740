"""Which persona speaks where: the personas of the server, as their files place them in Slack."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr, TypeAdapter

from integrations.slack.question import Place
from integrations.slack.server import Server


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Placing(_Read):
    """The part `integrations.slack` of a persona's file."""

    app: str | None = None
    workspaces: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    direct: bool = True
    approvers: tuple[str, ...] = ()
    hand_over: str | None = None


class Persona(_Read):
    """A persona as the server shows it."""

    id: str
    name: str
    description: str = ""
    conversation_starters: tuple[str, ...] = ()
    knowledge: tuple[str, ...] = ()
    slack: Placing | None = None

    def speaks(self, place: Place) -> Literal["here", "anywhere"] | None:
        """Tell whether it answers in a channel because it is named, or because it answers anywhere; or not."""
        if self.slack is None or self.slack.app not in (None, place.app):
            return None
        if self.slack.workspaces and place.team not in self.slack.workspaces:
            return None
        if place.channel.startswith("D"):
            return "anywhere" if self.slack.direct else None
        if place.channel in self.slack.channels:
            return "here"
        return None if self.slack.channels else "anywhere"


class Cast:
    """The personas, read again and again."""

    def __init__(self, server: Server, key: SecretStr) -> None:
        self._server = server
        self._key = key
        self._personas: tuple[Persona, ...] = ()

    async def refresh(self) -> None:
        """Read the personas.

        Raises:
            RepertoryError: the server does not show them; those known before stay.
        """
        body = await self._server.get("/api/personas", self._key)
        found = TypeAdapter(tuple[Persona, ...]).validate_python(body["data"])
        self._personas = tuple(one for one in found if one.slack is not None)

    @property
    def personas(self) -> Sequence[Persona]:
        """Those that are placed in Slack, by id."""
        return self._personas

    def find(self, persona: str) -> Persona | None:
        """Return a persona by its id."""
        return next((one for one in self._personas if one.id == persona), None)

    def candidates(self, place: Place) -> Sequence[Persona]:
        """Return who may answer in a channel: those that name it, else those that answer anywhere."""
        told = [(one.speaks(place), one) for one in self._personas]
        here = [one for how, one in told if how == "here"]
        return here or [one for how, one in told if how == "anywhere"]

    def choose(self, place: Place, text: str, before: str | None = None) -> tuple[Persona | None, str]:
        """Return who answers, and the question without the name that it began with.

        Args:
            place: where it is asked.
            text: the question; it may begin with the id or the name of a persona.
            before: who answered in this thread before.
        """
        candidates = self.candidates(place)
        for one in candidates:
            names = "|".join(re.escape(name) for name in (one.id, one.name))
            if named := re.match(rf"(?:{names})(?:[:,]\s*|\s+|$)", text, re.IGNORECASE):
                return one, text[named.end() :].strip() or text
        known = next((one for one in candidates if one.id == before), None)
        return known or (candidates[0] if candidates else None), text
