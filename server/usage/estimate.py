"""Guesses at tokens before the engine has counted them: four bytes of text make one."""

from collections.abc import Iterable, Iterator

from server.personas.schema import ModelPart
from server.turn.request import ChatRequest

_BYTES = 4


def text_tokens(texts: Iterable[str]) -> int:
    """Return about how many tokens the texts have; never less than one for a text."""
    return sum(max(1, -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES)) for text in texts)


def prompt_tokens(request: ChatRequest) -> int:
    """Return about how many tokens the client sent; the server adds instructions and passages to them."""
    return text_tokens(_texts(request))


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
