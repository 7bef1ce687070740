"""Guided calling: a constrained decision, then arguments decoded under the operation's JSON Schema.

So even a very small model always makes well-formed calls. Knows the conversation of these steps, never how
a call is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from actions import ArgumentsInvalid
from actions.guided import Care, arguments_format, decision_choices, parse_decision, takes_nothing
from actions.json_value import JsonObject
from server.engine_port import Engine, Message
from server.turn import prompt
from server.turn.calls import Caller
from server.turn.context import TurnContext

_STEPS_OF_A_CALL = 3  # decide, write arguments, answer
_DECISION_TOKENS = 64
_ARGUMENT_TOKENS = 512
_NO_LOOPS = {"repetition_detection": {"min_pattern_size": 4, "max_pattern_size": 64, "min_count": 5}}
"""Ends arguments that go round and round, long before their limit."""
_ENDLESS = ("length", "repetition")


@dataclass(frozen=True, slots=True)
class Guided:
    """Messages to answer from, or a fixed answer where a person must do something first."""

    messages: list[Message]
    fixed: str | None = None
    called: bool = False


class GuidedCalling:
    """The decision and argument steps of one turn."""

    def __init__(self, context: TurnContext, engine: Engine, caller: Caller, salt: str | None) -> None:
        self._context = context
        self._engine = engine
        self._caller = caller
        self._actions = context.persona.actions
        self._names = [operation.name for operation in self._actions.operations]
        self._extra: dict[str, object] = {"temperature": 0.0} | ({"cache_salt": salt} if salt else {})

    async def run(self, base: list[Message]) -> Guided:
        """Make the calls that the model decides on, as long as the turn's steps allow one more."""
        messages = list(base)
        made: list[tuple[str, JsonObject]] = []
        while self._steps_left() >= _STEPS_OF_A_CALL and self._context.has_time():
            name = await self._decide(messages)
            if name is None:
                break
            arguments, problem = await self._arguments(messages, name)
            if (name, arguments or {}) in made:
                break
            made.append((name, arguments or {}))
            if arguments is None:
                messages += prompt.call_result(name, {}, f"The call was not made. {problem}")
                continue
            outcome = await self._caller.call(name, arguments)
            if outcome.ask is not None:
                return Guided(messages, outcome.ask, called=True)
            messages += prompt.call_result(name, arguments, outcome.text)
        return Guided(messages, called=bool(made))

    async def _decide(self, messages: list[Message]) -> str | None:
        choices = decision_choices(self._names)
        constraint = {"structured_outputs": {"choice": choices}, "max_tokens": _DECISION_TOKENS}
        word, _ = await self._ask([*messages, prompt.decision(self._names)], constraint)
        return parse_decision(word, self._names)

    async def _arguments(self, messages: list[Message], name: str) -> tuple[JsonObject | None, str]:
        """Return the checked arguments, or None and what is wrong with them after one corrected try."""
        operation = self._actions.get(name)
        if takes_nothing(operation):
            return self._actions.validate(name, "{}"), ""
        asked = [*messages, prompt.decision(self._names), *prompt.arguments_request(name)]
        problem, care = "", Care.FREE
        for _ in range(2):
            constraint = {"response_format": arguments_format(operation, care), "max_tokens": _ARGUMENT_TOKENS}
            raw, whole = await self._ask(asked, constraint | (_NO_LOOPS if care is Care.FREE else {}))
            try:
                return self._actions.validate(name, raw), ""
            except ArgumentsInvalid as error:
                problem, care = error.message, Care.SURE if whole else Care.SHORT
                if whole:  # what had no end would only be gone on with
                    asked += prompt.correction(name, raw, problem)
            if self._steps_left() <= 1:
                break
        return None, problem

    def _steps_left(self) -> int:
        return self._context.max_steps - self._context.record.usage.calls

    async def _ask(self, messages: list[Message], constraint: Mapping[str, object]) -> tuple[str, bool]:
        """Return what the model wrote, and whether it came to its end."""
        record = self._context.record
        record.engine_asked()
        payload = {"messages": messages, **self._extra, **constraint}
        completion = await self._engine.chat(self._context.engine_model, payload)
        record.engine_answers()
        record.usage.add(completion.get("usage"))
        choice = completion["choices"][0]
        text = (choice.get("message", {}).get("content") or "").strip()
        return text, choice["finish_reason"] not in _ENDLESS
