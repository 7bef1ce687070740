"""One question answered: history, the persona's stream, and what stands under the answer."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import anyio
from pydantic import SecretStr

from core.errors import RepertoryError, Unavailable
from integrations.slack import blocks
from integrations.slack.blocks import Ticket
from integrations.slack.cast import Persona
from integrations.slack.outlet import Outlet
from integrations.slack.people import People, word_for
from integrations.slack.question import Kind, Question
from integrations.slack.server import Asked, Json, Refused, Server
from integrations.slack.words import failure
from integrations.slack.workspace import Answer

logger = logging.getLogger(__name__)

_TRIES = 4
_LONGEST_PAUSE = 5.0
_STATUS = {"running": "in_progress", "pending": "pending", "done": "complete", "approved": "complete"}
_LOOKING = "Looking into the documents"


class Answering:
    """Asks the server and writes what it says."""

    def __init__(self, server: Server, people: People) -> None:
        self._server = server
        self._people = people

    async def answer(
        self,
        question: Question,
        persona: Persona,
        said: Sequence[Mapping[str, str]],
        stores: Sequence[str],
        outlet: Outlet,
    ) -> None:
        """Write the answer of `persona` into `outlet`, however the server fares.

        Args:
            question: with the words that are meant for the persona.
            persona: who answers.
            said: the conversation before the question.
            stores: vector stores of the thread.
            outlet: where it goes.
        """
        place = question.place
        asked = Asked(
            persona=persona.id,
            messages=_messages(question, said),
            user=word_for(place.team, question.user),
            conversation=place.conversation,
            stores=tuple(stores),
        )
        looks = bool(persona.knowledge or stores)
        if looks:
            await outlet.task(blocks.task("documents", _LOOKING, "in_progress"))
        reading = Reading(outlet, looks=looks)
        async with outlet.keeping_up():
            try:
                async with aclosing(self._frames(asked, self._people.key(place.app, question.user))) as frames:
                    async for frame in frames:
                        await reading.take(frame)
            except RepertoryError as error:
                logger.warning("a question in %s was not answered: %s", place.channel, error.code)
                told = failure(error, persona.name)
                await reading.broken(f"\n\n_{told}_" if reading.said else told)
            ticket = Ticket(reading.answer, persona.id, question.user, place.thread)
            await outlet.end(reading.under(ticket, persona))

    async def _frames(self, asked: Asked, key: SecretStr) -> AsyncGenerator[Json, None]:
        """Yield the answer's frames; a server that is away for a moment is asked again before it has begun."""
        for left in reversed(range(_TRIES)):
            begun = False
            try:
                async with aclosing(self._server.stream(asked, key)) as frames:
                    async for frame in frames:
                        begun = True
                        yield frame
                return
            except RepertoryError as error:
                if (
                    isinstance(error, Refused)
                    and error.code == "context_length_exceeded"
                    and len(asked.messages) > 1
                ):
                    asked = replace(asked, messages=asked.messages[(len(asked.messages) + 1) // 2 :])
                    continue
                away = isinstance(error, Unavailable) or getattr(error, "status", 0) == 503
                if begun or not away or not left:
                    raise
                await anyio.sleep(min(error.retry_after or 1.0, _LONGEST_PAUSE))


class Reading:
    """The frames of one answer, as they come.

    Args:
        outlet: where text and steps go.
        looks: whether documents are looked into.
    """

    def __init__(self, outlet: Outlet, *, looks: bool) -> None:
        self._outlet = outlet
        self._looks = looks
        self._steps: dict[str, str] = {}
        self._sources: list[Mapping[str, Any]] = []
        self._waiting: list[Mapping[str, Any]] = []
        self.answer = ""
        self.said = False

    async def take(self, frame: Json) -> None:
        """Pass a frame on."""
        self.answer = str(frame["id"])
        own: Any = frame.get("repertory") or {}
        if step := own.get("step"):
            await self._step(step)
        for choice in frame["choices"]:  # type: ignore[attr-defined]  # the wire's own list
            delta = choice["delta"]
            if text := delta.get("content") or delta.get("refusal"):
                self.said = True
                await self._outlet.write(text)
        if "sources" in own:
            await self._end(own)

    async def broken(self, words: str) -> None:
        """Tell that the answer ends early."""
        if self._looks:
            await self._outlet.task(blocks.task("documents", _LOOKING, "error"))
        await self._outlet.write(words)

    def under(self, ticket: Ticket, persona: Persona) -> list[Answer]:
        """Return what stands under the answer."""
        found = blocks.sources(self._sources)
        for step in self._waiting:
            asked = replace(ticket, approval=str(step["approval"]))
            found += blocks.waiting_call(str(step["action"]), str(step["arguments"]), asked)
        if not self.answer:
            return found
        return found + blocks.footer(ticket, hand_over=persona.slack is not None and bool(persona.slack.hand_over))

    async def _step(self, step: Mapping[str, Any]) -> None:
        action, state = str(step["action"]), str(step["state"])
        identity = self._steps.get(action)
        if identity is None or state == "running":
            identity = f"call-{len(self._steps)}-{action}"[:200]
        self._steps[action] = identity
        status = _STATUS.get(state, "error")
        await self._outlet.task(blocks.task(identity, f"Calling {action}", status))

    async def _end(self, own: Mapping[str, Any]) -> None:
        self._sources = [one for one in own["sources"] if one["cited"]]
        self._waiting = [one for one in own["steps"] if one["state"] == "pending" and one["approval"]]
        if self._looks:
            found = [
                {"type": "url", "url": str(one["url"]), "text": str(one["title"])[:200]} for one in own["sources"]
            ]
            more = {"sources": found} if found else {"output": "Nothing that fits"}
            await self._outlet.task(blocks.task("documents", _LOOKING, "complete", **more))


def _messages(question: Question, said: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return the conversation that is told; after a decision it is that which waited for it."""
    if question.kind is Kind.DECIDED and said:
        return list(said)
    return [*said, {"role": "user", "content": question.text}]
