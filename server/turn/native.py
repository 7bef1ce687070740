"""Native calling: the model's own tool format. Gathers its calls and sorts the server's from the client's."""

from collections.abc import Collection
from dataclasses import dataclass, field

from actions import ActionSet, ArgumentsInvalid
from server.engine_port import FunctionCall, Message, ToolCall
from server.turn.calls import Caller


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


async def make_calls(calls: list[ToolCall], text: str, actions: ActionSet, caller: Caller) -> NativeStep:
    """Make the server's calls of one engine answer, in order; stop at the first that a person must let go on."""
    messages = [Message(role="assistant", content=text or None, tool_calls=calls)]
    for call in calls:
        name, raw = call["function"]["name"], call["function"]["arguments"]
        try:
            outcome = await caller.call(name, actions.validate(name, raw))
        except ArgumentsInvalid as error:
            result = error.message
        else:
            if outcome.ask is not None:
                return NativeStep(fixed=outcome.ask)
            result = outcome.text
        messages.append(Message(role="tool", tool_call_id=call["id"], content=result))
    return NativeStep(messages)
