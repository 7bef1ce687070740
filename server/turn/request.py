"""What a client may ask for in a chat completion: OpenAI's request, checked, and nothing that reveals.

Owns names and bounds of parameters; must never know personas, prompts or the engine.
"""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)

FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
JsonDict = dict[str, JsonValue]


class _Lenient(BaseModel):
    """Extra keys are dropped, not refused: SDKs decorate messages with fields of their own."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(_Lenient):
    """A piece of text; the only kind of part that the engine's text model can read."""

    type: Literal["text"]
    text: str


class CalledFunction(_Lenient):
    """Name and arguments of a call that the model made."""

    name: FunctionName
    arguments: str


class CalledTool(_Lenient):
    """A call that the model made in an earlier answer."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class ChatMessage(_Lenient):
    """One message of the conversation as the client tells it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = Field(None, max_length=64)
    tool_calls: list[CalledTool] | None = Field(None, max_length=128)
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> "ChatMessage":
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("a message of the role 'tool' needs tool_call_id")
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("content is missing")
        return self

    @property
    def text(self) -> str:
        """The content as one string."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class FunctionTool(_Lenient):
    """A function of the client's."""

    name: FunctionName
    description: str | None = None
    parameters: JsonDict | None = None
    strict: bool | None = None


class Tool(_Lenient):
    """A tool of the client's; the answer hands its calls back."""

    type: Literal["function"]
    function: FunctionTool


class NamedFunction(_Strict):
    """The function that the model must call."""

    name: FunctionName


class NamedTool(_Strict):
    """The tool that the model must call."""

    type: Literal["function"]
    function: NamedFunction


class StreamOptions(_Strict):
    """How a stream ends."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


class RepertoryOptions(_Strict):
    """What is Repertory's own in a request: `extra_body={"repertory": {...}}`."""

    include: bool = Field(False, description="Add sources, revision, adapter version and steps to the answer.")
    conversation: str | None = Field(None, min_length=1, max_length=128, description="Names the conversation.")


class ChatRequest(BaseModel):
    """A chat completion request.

    Only what is listed here exists. vLLM's further parameters (`prompt_logprobs`, `echo`,
    `return_token_ids`, `chat_template`, `priority`, …) could reveal instructions or touch other tenants
    and are refused by name, like any unknown one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1, max_length=256)
    messages: list[ChatMessage] = Field(min_length=1, max_length=2048)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    repertory: RepertoryOptions = RepertoryOptions()

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = Field(None, max_length=1024)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int | None = Field(None, ge=1, le=128)
    response_format: JsonDict | None = None
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    tools: list[Tool] | None = Field(None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None

    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    min_tokens: int | None = Field(None, ge=0)
    ignore_eos: bool | None = None
    stop_token_ids: list[Annotated[int, Field(ge=0)]] | None = Field(None, max_length=64)
    bad_words: list[str] | None = Field(None, max_length=64)

    user: str | None = None
    metadata: dict[str, str] | None = Field(None, max_length=16)
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: JsonDict | None = None
    service_tier: str | None = None
    verbosity: str | None = None
    reasoning_effort: str | None = None
    prediction: JsonDict | None = None
    moderation: JsonDict | None = None
    modalities: list[Literal["text"]] | None = None
    store: Literal[False] | None = None

    @field_validator("response_format")
    @classmethod
    def _known_format(cls, value: JsonDict | None) -> JsonDict | None:
        if value is None:
            return None
        if value.get("type") not in ("text", "json_object", "json_schema"):
            raise ValueError("type must be 'text', 'json_object' or 'json_schema'")
        if value["type"] == "json_schema" and not isinstance(value.get("json_schema"), dict):
            raise ValueError("json_schema must be an object with name and schema")
        return value

    @property
    def answers(self) -> int:
        """How many answers are asked for."""
        return self.n or 1

    @property
    def wants_json(self) -> bool:
        """Whether the answer must be JSON, where a citation marker would be data."""
        return self.response_format is not None and self.response_format.get("type") != "text"

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a usage chunk."""
        return self.stream_options is not None and self.stream_options.include_usage
