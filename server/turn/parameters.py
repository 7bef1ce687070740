"""From a checked request and a persona's defaults to the parameters that go to the engine."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import orjson

from core.marks import unmarked
from server.personas.schema import ModelPart
from server.turn.request import ChatRequest
from server.turn.tools import AllowedTools, Tool, names_in

_SAMPLING = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "stop",
    "n",
    "top_k",
    "min_p",
    "repetition_penalty",
    "min_tokens",
    "ignore_eos",
    "stop_token_ids",
    "bad_words",
    "response_format",
    "reasoning_effort",
)
"""Parameters that pass unharmed; everything else of a request stays here."""


def engine_parameters(request: ChatRequest, model: ModelPart) -> dict[str, object]:
    """Return what steers the engine, apart from messages and tools.

    The request's value wins over the persona's default; the persona's limit caps the length.
    """
    parameters: dict[str, object] = model.sampling.model_dump(exclude_none=True)
    given = request.model_dump(include=set(_SAMPLING), exclude_none=True)
    parameters.update(given)
    asked = request.max_completion_tokens or request.max_tokens or model.sampling.max_tokens
    limit = model.limits.max_output_tokens
    parameters["max_tokens"] = min(asked, limit) if asked else limit
    if "min_tokens" in parameters:
        parameters["min_tokens"] = min(request.min_tokens or 0, limit, asked or limit)
    return parameters


class ClientTools(TypedDict, total=False):
    """The tools of a request, as the engine takes them."""

    tools: Sequence[Mapping[str, object]]
    tool_choice: str | Mapping[str, object]
    parallel_tool_calls: bool


def client_tools(request: ChatRequest) -> ClientTools:
    """Return the client's own tools and choice; an empty list counts as none (vLLM refuses it).

    Tools that the client's choice leaves out are not shown to the model. Their texts are the client's, so
    marks of the chat template in them are broken like those in messages.
    """
    if not request.tools or request.tool_choice == "none":
        return ClientTools()
    choice, offered = request.tool_choice or "auto", request.tools
    if isinstance(choice, AllowedTools):
        allowed = names_in(choice)
        offered = [tool for tool in offered if tool.function.name in allowed]
        choice = choice.allowed_tools.mode
    tools = ClientTools(
        tools=[_unmarked(tool) for tool in offered],
        tool_choice=choice if isinstance(choice, str) else choice.model_dump(),
    )
    if request.parallel_tool_calls is not None:
        tools["parallel_tool_calls"] = request.parallel_tool_calls
    return tools


def _unmarked(tool: Tool) -> Mapping[str, object]:
    shown: Mapping[str, object] = orjson.loads(unmarked(tool.model_dump_json(exclude_none=True)))
    return shown
