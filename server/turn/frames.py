"""Writing chunks of a stream in OpenAI's shape. Knows frames, never what they say."""

from collections.abc import Mapping

import orjson

from server.engine_port import Choice, Message
from server.turn.context import TurnContext
from server.turn.steps import ActionStep


class Frames:
    """Writes the chunks of one turn."""

    def __init__(self, context: TurnContext) -> None:
        self._context = context
        self._opened: set[int] = set()

    def role(self, index: int = 0) -> list[bytes]:
        """Return the chunk that begins an answer; none where it has begun."""
        if index in self._opened:
            return []
        self._opened.add(index)
        return [self.delta(index, Message(role="assistant", content="", refusal=None))]

    def step(self, step: ActionStep) -> list[bytes]:
        """Return what tells of a step: a chunk without text, for those who asked for the `repertory` key."""
        choice = Choice(index=0, delta=Message(content=""), finish_reason=None, logprobs=None)
        return [*self.role(), self.encode([choice], {"step": step.shown()})]

    def delta(self, index: int, delta: Message, source: Choice | None = None) -> bytes:
        """Return a chunk with a piece of an answer."""
        choice = Choice(index=index, delta=delta, finish_reason=None, logprobs=None)
        if source is not None:
            choice["logprobs"] = source.get("logprobs")
        return self.encode([choice])

    def encode(self, choices: list[Choice], block: Mapping[str, object] | None = None) -> bytes:
        """Return a chunk, with the `repertory` key where there is a block."""
        frame = self._head(choices)
        if self._context.request.include_usage:
            frame["usage"] = None
        if block is not None:
            frame["repertory"] = block
        return b"data: " + orjson.dumps(frame) + b"\n\n"

    def usage(self) -> bytes:
        """Return the chunk that tells the tokens of the turn."""
        frame = self._head([]) | {"usage": self._context.total_usage()}
        return b"data: " + orjson.dumps(frame) + b"\n\n"

    def _head(self, choices: list[Choice]) -> dict[str, object]:
        return {
            "id": self._context.completion_id,
            "object": "chat.completion.chunk",
            "created": self._context.created,
            "model": self._context.persona.id,
            "choices": choices,
        }
