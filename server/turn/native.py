"""Native calling: the model's own tool format. Gathers its calls and sorts the server's from the client's."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from actions import ActionSet, ArgumentsInvalid
from actions.json_value import JsonObject
from server.engine_port import FunctionCall, Message, ToolCall
from server.turn.calls import Caller, CallOutcome

MOST_AT_ONCE = 16
"""Calls of one engine answer that are made; a model that asks for more is told so."""


class ToolCalls:
    """Tool calls of one engine answer, put together from fragments."""

    def __init__(self) -> None:
        self._calls: dict[int, ToolCall] = {}

    def add(self, fragments: list[ToolCall]) -> None:
        """Take the fragments of one chunk (or the whole calls of a whole answer)."""
        for position, fragment in enumerate(fragments):
            call = self._calls.setdefault(
                fragment.get("index", position),
                ToolCall(id="", type="function", function=FunctionCall(name="", arguments="")),
            )
            part = fragment.get("function", {})
            call["id"] = call["id"] or fragment.get("id") or ""
            call["function"]["name"] += part.get("name") or ""
            call["function"]["arguments"] += part.get("arguments") or ""

    def split(self, offered: Collection[str]) -> tuple[list[ToolCall], list[ToolCall]]:
        """Return the server's calls and the client's, in order.

        Args:
            offered: names of the client's tools. What neither offers is the server's to refuse.
        """
        calls = [self._calls[index] for index in sorted(self._calls)]
        theirs = [call for call in calls if call["function"]["name"] in offered]
        return [call for call in calls if call["function"]["name"] not in offered], theirs


@dataclass(frozen=True, slots=True)
class NativeStep:
    """What follows from the server's calls: more messages, or a fixed answer."""

    messages: list[Message] = field(default_factory=list)
    fixed: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call of the model's: its checked arguments, or what is wrong with it."""

    call: ToolCall
    arguments: JsonObject | None
    problem: str = ""

    @property
    def name(self) -> str:
        return self.call["function"]["name"]


async def make_calls(calls: list[ToolCall], text: str, actions: ActionSet, caller: Caller) -> NativeStep:
    """Make the server's calls of one engine answer; their results keep its order.

    Where none of them waits for a person they are made at the same time. Else they are made one after the
    other up to the first that waits; those after it that wait, too, are filed, and the rest is left to a later
    turn, since nobody would read what came of them.
    """
    asked = [_checked(call, actions, number) for number, call in enumerate(calls)]
    messages = [Message(role="assistant", content=text or None, tool_calls=calls)]
    if not any(_waits(one, caller) for one in asked):
        outcomes = [CallOutcome(one.problem) for one in asked]

        async def make(number: int, arguments: JsonObject) -> None:
            outcomes[number] = await caller.call(asked[number].name, arguments)

        await at_once(
            [partial(make, n, one.arguments) for n, one in enumerate(asked) if one.arguments is not None]
        )
        messages += [_answer(one, outcome.text) for one, outcome in zip(asked, outcomes, strict=True)]
        return _step(messages, [outcome.ask for outcome in outcomes if outcome.ask is not None])
    asks: list[str] = []
    for one in asked:
        if one.arguments is None or (asks and not _waits(one, caller)):
            messages.append(_answer(one, one.problem))
            continue
        outcome = await caller.call(one.name, one.arguments)
        if outcome.ask is not None:
            asks.append(outcome.ask)
        messages.append(_answer(one, outcome.text))
    return _step(messages, asks)


def _step(messages: list[Message], asks: Sequence[str]) -> NativeStep:
    """Go on with the results, unless a person is asked for something first: each thing once."""
    return NativeStep(fixed="\n\n".join(dict.fromkeys(asks))) if asks else NativeStep(messages)


async def at_once(work: Sequence[Callable[[], Coroutine[object, object, None]]]) -> None:
    """Do all of `work` at the same time; the first failure ends the rest, and is raised as it is."""
    try:
        async with anyio.create_task_group() as group:
            for one in work:
                group.start_soon(one)
    except ExceptionGroup as wrapped:
        raise wrapped.exceptions[0] from None


def _checked(call: ToolCall, actions: ActionSet, number: int) -> _Asked:
    if number >= MOST_AT_ONCE:
        return _Asked(call, None, f"The call was not made: ask for at most {MOST_AT_ONCE} at once.")
    try:
        return _Asked(call, actions.validate(call["function"]["name"], call["function"]["arguments"]))
    except ArgumentsInvalid as error:
        return _Asked(call, None, error.message)


def _waits(asked: _Asked, caller: Caller) -> bool:
    return asked.arguments is not None and caller.waits(asked.name, asked.arguments)


def _answer(asked: _Asked, text: str) -> Message:
    return Message(role="tool", tool_call_id=asked.call["id"], content=text)
