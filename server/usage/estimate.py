"""Guesses at tokens before the engine has counted them: four bytes of text make one."""

from collections.abc import Iterable, Iterator

import orjson

from server.personas.loader import Persona
from server.personas.schema import ModelPart
from server.turn.request import ChatRequest

_BYTES = 4
_PASSAGE_TOKENS = 220
"""Of a passage of the greatest length (800 characters) under its headings."""


def text_tokens(texts: Iterable[str]) -> int:
    """Return about how many tokens the texts have; never less than one for a text."""
    return sum(max(1, -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES)) for text in texts)


def prompt_tokens(request: ChatRequest, persona: Persona) -> int:
    """Return about how many tokens a prompt of the turn has: what the client sent, and what the persona adds."""
    spec, operations = persona.spec, persona.actions.operations
    passages = (
        spec.retrieval.top_k * _PASSAGE_TOKENS if spec.knowledge.any or request.repertory.vector_stores else 0
    )
    offered = [f"{one.name} {one.description}" for one in operations]
    if spec.calling == "native":
        offered += [orjson.dumps(one.parameters).decode() for one in operations]
    return text_tokens([*_texts(request), spec.instructions, *offered]) + passages


def _texts(request: ChatRequest) -> Iterator[str]:
    for message in request.messages:
        yield message.text
        for call in message.tool_calls or ():
            yield call.function.name + call.function.arguments
    for tool in request.tools or ():
        yield tool.model_dump_json(exclude_none=True)


def longest_answer(request: ChatRequest, model: ModelPart) -> int:
    """Return the most tokens that may come back, over all answers."""
    asked = request.max_completion_tokens or request.max_tokens or model.sampling.max_tokens
    limit = model.limits.max_output_tokens
    return min(asked or limit, limit) * request.answers
