"""A whole answer, and the `repertory` block that tells where it comes from."""

from collections.abc import Collection, Mapping, Sequence

from retrieval import Passage, TextEmbedder
from server.engine_port import Choice, Frame, Message
from server.turn.answer import AnswerText, annotations, passage_url
from server.turn.context import TurnContext
from server.turn.finish import finish_reason
from server.turn.prompt import heading_of


async def whole_choice(
    context: TurnContext,
    embedder: TextEmbedder,
    upstream: Choice,
    text: AnswerText,
    passages: Sequence[Passage],
) -> tuple[Choice, set[int]]:
    """Return one answer of an engine's completion with its citations, and the passages that it cites.

    Only what OpenAI's schema has is taken over: vLLM adds prompt texts and token ids in places.
    """
    given = upstream.get("message", Message())
    message = Message(role="assistant", content=given.get("content"), refusal=given.get("refusal"))
    if calls := given.get("tool_calls"):
        message["tool_calls"] = calls
    if reasoning := given.get("reasoning"):
        message["reasoning"] = reasoning
    cited: set[int] = set()
    if content := given.get("content"):
        message["content"] = text.feed(content) + text.finish() + ("" if calls else text.close())
        citations = await text.citations(embedder, context.persona.spec.retrieval.support)
        cited = {citation.index for citation in citations}
        if citations:
            message["annotations"] = annotations(citations, passages, context.base_url)
    reason = finish_reason(upstream["finish_reason"])
    context.record.finish = context.record.finish or reason
    choice = Choice(
        index=upstream["index"], message=message, finish_reason=reason, logprobs=upstream.get("logprobs")
    )
    return choice, cited


def whole_frame(context: TurnContext, choices: list[Choice], block: Mapping[str, object] | None) -> Frame:
    """Return the completion object."""
    frame = Frame(
        id=context.completion_id,
        object="chat.completion",
        created=context.created,
        model=context.persona.id,
        choices=choices,
        usage=context.total_usage(),
    )
    if block is not None:
        frame["repertory"] = block
    return frame


def repertory_block(
    context: TurnContext, passages: Sequence[Passage], cited: Collection[int], found: Mapping[str, object]
) -> Mapping[str, object]:
    """Return sources with scores, persona revision, adapter version and action steps."""
    sources = [
        {
            "number": number,
            "cited": number - 1 in cited,
            "store": passage.store,
            "document": passage.document_id,
            "title": heading_of(passage),
            "start": passage.start,
            "end": passage.end,
            "score": round(float(passage.score), 4),
            "cosine": round(float(passage.cosine), 4),
            "url": passage_url(passage, context.base_url),
        }
        for number, passage in enumerate(passages, start=1)
    ]
    answering = context.record.answering
    return {
        "conversation": context.conversation,
        "persona": {"id": context.persona.id, "revision": context.persona.revision},
        "adapter": context.adapter,
        "arm": answering.arm if answering else None,
        "rollout": answering.rollout if answering else None,
        **found,
        "sources": sources,
        "steps": [step.shown() for step in context.steps],
    }
