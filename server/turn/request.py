"""What a client may ask for in a chat completion: OpenAI's request, checked, and nothing that reveals.

Owns names and bounds of parameters; must never know personas, prompts or the engine. Each parameter works,
or is refused by its name; those that are taken and change nothing are listed in `WITHOUT_EFFECT`.
"""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from server.personas.schema import StoreId
from server.turn.message import ChatMessage
from server.turn.tools import JsonDict, Tool, ToolChoice, forces, names_in
from server.wire import complaint

WITHOUT_EFFECT = frozenset(
    {
        "metadata",
        "modalities",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
    }
)
"""Taken, and without effect on the answer: they only tell who asks, or ask for what is so anyway."""

_NOT_SERVED = {
    "functions": "'functions' is an old form that is not read. Send the functions as 'tools'.",
    "function_call": "'function_call' is an old form that is not read. Send 'tool_choice'.",
    "audio": "Answers are text only. Leave 'audio' out.",
    "web_search_options": "Nothing here searches the web. Leave 'web_search_options' out.",
    "moderation": "Answers are not moderated here. Leave 'moderation' out.",
}


def _not_served(value: object, info: ValidationInfo) -> None:
    if value is not None:
        raise complaint("unsupported_parameter", _NOT_SERVED[info.field_name or ""])


NotServed = Annotated[None, BeforeValidator(_not_served)]
ShortText = Annotated[str, StringConstraints(max_length=512)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StreamOptions(_Strict):
    """How a stream ends."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


class RepertoryOptions(_Strict):
    """What is Repertory's own in a request: `extra_body={"repertory": {...}}`."""

    include: bool = Field(False, description="Add sources, revision, adapter version and steps to the answer.")
    conversation: str | None = Field(None, min_length=1, max_length=128, description="Names the conversation.")
    vector_stores: list[StoreId] = Field(
        default_factory=list, max_length=8, description="Stores to look into beside the persona's knowledge."
    )


class ChatRequest(_Strict):
    """A chat completion request.

    Only what is listed here exists. vLLM's further parameters (`prompt_logprobs`, `echo`,
    `return_token_ids`, `chat_template`, `priority`, …) could reveal instructions or touch other tenants
    and are refused by name, like any unknown one.
    """

    model: str = Field(min_length=1, max_length=256)
    messages: list[ChatMessage] = Field(min_length=1, max_length=2048)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    repertory: RepertoryOptions = RepertoryOptions()

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: (
        dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")], Annotated[float, Field(ge=-100, le=100)]]
        | None
    ) = Field(None, max_length=1024)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int | None = Field(None, ge=1, le=128)
    response_format: JsonDict | None = None
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    stop: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=4)]
        | None
    ) = None
    tools: list[Tool] | None = Field(None, max_length=128)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None

    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    min_tokens: int | None = Field(None, ge=0)
    ignore_eos: bool | None = None
    stop_token_ids: list[Annotated[int, Field(ge=0)]] | None = Field(None, max_length=64)
    bad_words: list[Annotated[str, Field(min_length=1)]] | None = Field(None, max_length=64)

    user: str | None = None
    metadata: dict[Annotated[str, StringConstraints(max_length=64)], ShortText] | None = Field(None, max_length=16)
    safety_identifier: str | None = Field(None, max_length=64)
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: JsonDict | None = None
    service_tier: str | None = None
    verbosity: Literal["medium"] | None = None
    prediction: JsonDict | None = None
    modalities: list[Literal["text"]] | None = None
    store: Literal[False] | None = None

    functions: NotServed = None
    function_call: NotServed = None
    audio: NotServed = None
    web_search_options: NotServed = None
    moderation: NotServed = None

    @field_validator("response_format")
    @classmethod
    def _known_format(cls, value: JsonDict | None) -> JsonDict | None:
        if value is None:
            return None
        if value.get("type") not in ("text", "json_object", "json_schema"):
            raise ValueError("type must be 'text', 'json_object' or 'json_schema'")
        schema = value.get("json_schema")
        if value["type"] == "json_schema" and not (
            isinstance(schema, dict) and isinstance(schema.get("name"), str)
        ):
            raise ValueError("json_schema must be an object with name and schema")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "ChatRequest":
        if self.stream_options is not None and not self.stream:
            raise complaint("invalid_value", "'stream_options' goes with 'stream': true.", field="stream_options")
        if self.top_logprobs and not self.logprobs:
            raise complaint("invalid_value", "'top_logprobs' goes with 'logprobs': true.", field="top_logprobs")
        if self.max_tokens and self.max_completion_tokens and self.max_tokens != self.max_completion_tokens:
            raise complaint(
                "invalid_value",
                "'max_tokens' and 'max_completion_tokens' differ. Send 'max_completion_tokens' alone.",
                field="max_tokens",
            )
        offered = {tool.function.name for tool in self.tools or []}
        if forces(self.tool_choice) and not offered:
            raise complaint(
                "invalid_value", "'tool_choice' goes with 'tools'. Send them too.", field="tool_choice"
            )
        if missing := [name for name in names_in(self.tool_choice) if name not in offered]:
            raise complaint(
                "invalid_value",
                f"'tool_choice' names {missing[0]!r}, which is none of the request's 'tools'.",
                field="tool_choice",
            )
        return self

    @property
    def answers(self) -> int:
        """How many answers are asked for."""
        return self.n or 1

    @property
    def forces_a_tool(self) -> bool:
        """Whether the answer must call one of the client's tools."""
        return forces(self.tool_choice)

    @property
    def wants_json(self) -> bool:
        """Whether the answer must be JSON, where a citation marker would be data."""
        return self.response_format is not None and self.response_format.get("type") != "text"

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a usage chunk."""
        return self.stream_options is not None and self.stream_options.include_usage
