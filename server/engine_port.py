"""The face of the engine that the chat turn sees: frames in, frames out.

Knows OpenAI's shapes, never how vLLM is started, supervised or fed with adapters.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Literal, NotRequired, Protocol, TypedDict

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
Payload = Mapping[str, object]
"""A chat request without its `model`: messages, sampling, tools."""


class FunctionCall(TypedDict, total=False):
    """Name and arguments (a JSON string) of a tool call; fragments of them while streaming."""

    name: str
    arguments: str


class ToolCall(TypedDict, total=False):
    """One tool call, or a fragment of one."""

    index: int
    id: str
    type: Literal["function"]
    function: FunctionCall


class Message(TypedDict, total=False):
    """A message of a conversation, or the delta of one."""

    role: str
    content: str | None
    name: str
    refusal: str | None
    tool_calls: list[ToolCall]
    tool_call_id: str
    annotations: list["Annotation"]
    reasoning: str | None


class UrlCitation(TypedDict):
    """Where a stretch of the answer comes from."""

    url: str
    title: str
    start_index: int
    end_index: int


class Annotation(TypedDict):
    """A citation in OpenAI's chat shape."""

    type: Literal["url_citation"]
    url_citation: UrlCitation


class Choice(TypedDict):
    """One answer, whole (`message`) or in part (`delta`)."""

    index: int
    delta: NotRequired[Message]
    message: NotRequired[Message]
    finish_reason: str | None
    logprobs: NotRequired[object]
    stop_reason: NotRequired[object]


class Usage(TypedDict):
    """Tokens spent."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: NotRequired[dict[str, int] | None]


class Frame(TypedDict):
    """A completion, or one chunk of a streamed one."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: NotRequired[Usage | None]
    system_fingerprint: NotRequired[str | None]
    repertory: NotRequired[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the engine takes requests; if not, why, and after how many seconds to ask again."""

    ok: bool
    reason: str = ""
    retry_after: float = 5.0


class Engine(Protocol):
    """What answers. Implemented by the HTTP client and by the driver that supervises vLLM around it."""

    @property
    def base_model(self) -> str:
        """Engine name of the base model, for personas without adapter."""
        ...

    def ready(self) -> Readiness:
        """Tell at once, without asking the network, whether requests can be taken."""
        ...

    async def chat(self, model: str, payload: Payload) -> Frame:
        """Return a whole completion."""
        ...

    def stream(self, model: str, payload: Payload) -> AsyncGenerator[Frame, None]:
        """Yield the chunks of a completion. Closing the iterator frees the engine at once."""
        ...


@dataclass(frozen=True, slots=True)
class Who:
    """For whom a version is to answer.

    Attributes:
        user: the end user, where the client names one, bound to the caller.
        conversation: the conversation that the turn belongs to.
    """

    user: str | None
    conversation: str


@dataclass(frozen=True, slots=True)
class Answering:
    """What answers a turn, for as long as it lasts.

    Attributes:
        engine_name: such as `scrum-coach@3`.
        arm: its part in a rollout, or None outside of one.
        rollout: id of that rollout.
        unit: who stays with this arm, masked.
        stage: that of the rollout when the turn began.
    """

    engine_name: str
    arm: str | None = None
    rollout: str | None = None
    unit: str | None = None
    stage: str | None = None


class Releases(Protocol):
    """Decides which version of an adapter answers. Implemented by the rollout and by test doubles."""

    def resolve(self, adapter: str) -> str:
        """Return the engine name (`name@version`) that answers for `adapter` now.

        Raises:
            Unavailable: no version of it can be served; the message says why.
        """
        ...

    def answering(self, adapter: str, who: Who) -> Answering:
        """Return what answers `who` for `adapter` now; in a rollout that may be another version.

        Raises:
            Unavailable: no version of it can be served; the message says why.
            Gone: it was retired.
        """
        ...

    async def pinned(self, adapter: str, version: int) -> str:
        """Return the engine name of one registered version, released or not, once the engine has loaded it.

        Raises:
            NotFound: there is no such version, or its files do not fit their manifest.
            InvalidRequest: it was made for another base.
            Unavailable: the engine is away, or cannot serve adapters.
        """
        ...
