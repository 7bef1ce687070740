"""The stream to the client: one frame out for each frame in, in OpenAI's order.

Rewrites id, model and usage, holds text back only while it could be part of a marker, and puts citations
into the last frame with content. Knows frames, never how a persona decides.
"""

from collections.abc import Mapping, Sequence

from retrieval import Passage, TextEmbedder
from server.engine_port import Choice, Frame, Message, ToolCall
from server.turn.answer import AnswerText, annotations
from server.turn.completion import repertory_block
from server.turn.context import TurnContext
from server.turn.finish import finish_reason
from server.turn.frames import Frames

DONE = b"data: [DONE]\n\n"


class Relay:
    """Writes the frames of one streamed turn, over all its engine calls.

    Args:
        context: the turn.
        frames: writes its chunks.
        passages: those in the prompt.
        check: whether markers are checked.
        cite: whether citations are sought.
        note: put before the first text of each answer.
        closing: put after the last text of each answer.
        block: what the `repertory` key tells beside the turn's own facts.
    """

    def __init__(
        self,
        context: TurnContext,
        frames: Frames,
        embedder: TextEmbedder,
        passages: Sequence[Passage],
        *,
        check: bool,
        cite: bool,
        note: str,
        closing: str | None,
        block: Mapping[str, object],
    ) -> None:
        self._context = context
        self._frames = frames
        self._embedder = embedder
        self._passages = passages
        self._check = check
        self._cite = cite
        self._note = note
        self._closing = closing
        self._block = block
        self._texts: dict[int, AnswerText] = {}
        self._cited: set[int] = set()

    def opening(self, index: int = 0) -> list[bytes]:
        """Return the frame that begins an answer, if none has."""
        kept = self._context.record.answer(index)
        self._texts[index] = AnswerText(
            self._passages,
            check=self._check,
            cite=self._cite,
            note=self._note,
            closing=self._closing,
            kept=kept,
        )
        return self._frames.role(index)

    def pass_on(self, frame: Frame, *, tools: bool) -> list[bytes]:
        """Return what goes out for an upstream frame, except its end.

        Args:
            frame: the upstream frame; it is changed.
            tools: whether tool calls go out too, or are kept for the server to look at.
        """
        out: list[bytes] = []
        for choice in frame["choices"]:
            index, delta = choice["index"], choice.get("delta", {})
            if index not in self._texts:
                out += self.opening(index)
            delta.pop("role", None)
            if not tools:
                delta.pop("tool_calls", None)
            content = delta.get("content")
            if content:
                delta["content"] = self._texts[index].feed(content)
            elif content is not None:
                del delta["content"]
            if delta:
                out.append(self._frames.delta(index, delta, choice))
        return out

    def tool_calls(self, index: int, calls: Sequence[ToolCall]) -> bytes:
        """Return whole tool calls of the client's in one frame."""
        numbered = [ToolCall(**{**call, "index": number}) for number, call in enumerate(calls)]
        return self._frames.delta(index, Message(tool_calls=numbered))

    async def finish(self, choice: Choice) -> list[bytes]:
        """Return the end of one answer: held-back text with its citations, then the finish reason."""
        index = choice["index"]
        text = self._texts[index]
        last = Message()
        rest = text.finish()
        if choice["finish_reason"] != "tool_calls":  # there are no words to close
            rest += text.close()
        if rest:
            last["content"] = rest
        citations = await text.citations(self._embedder, self._context.persona.spec.retrieval.support)
        self._cited |= {citation.index for citation in citations}
        if citations:
            last.setdefault("content", "")
            last["annotations"] = annotations(citations, self._passages, self._context.base_url)
        frames = [self._frames.delta(index, last)] if last else []
        reason = finish_reason(choice["finish_reason"])
        self._context.record.finish = self._context.record.finish or reason
        ending = Choice(index=index, delta={}, finish_reason=reason, logprobs=None)
        block = None
        if self._context.request.repertory.include:
            block = repertory_block(self._context, self._passages, self._cited, self._block)
        return [*frames, self._frames.encode([ending], block)]

    async def whole(self, message: Message) -> list[bytes]:
        """Return a fixed answer, of one text or refusal."""
        frames = self.opening()
        if content := message.get("content"):
            message["content"] = self._texts[0].feed(content)
        frames.append(self._frames.delta(0, message))
        return frames + await self.finish(Choice(index=0, delta={}, finish_reason="stop"))

    def closing(self) -> list[bytes]:
        """Return the usage chunk, where asked for, and the end mark."""
        if not self._context.request.include_usage:
            return [DONE]
        return [self._frames.usage(), DONE]
