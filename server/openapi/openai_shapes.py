"""Answers under `/v1`, as OpenAI's clients expect them, and the error that every address may answer."""

from typing import Literal

from pydantic import Field, JsonValue

from server.openapi.shape import Shape


class ErrorDetail(Shape):
    """What went wrong."""

    message: str = Field(description="One sentence: what is wrong, and what to do.")
    type: str
    param: str | None = Field(description="The field of the request that is at fault.")
    code: str | None = Field(description="A stable word for programs.")


class Error(Shape):
    """Every failure, on every address."""

    error: ErrorDetail


class Model(Shape):
    """A persona as a model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: Literal["repertory"]


class ModelList(Shape):
    """The personas that the caller may use."""

    object: Literal["list"]
    data: list[Model]


class UrlCitation(Shape):
    """Where a stretch of the answer comes from."""

    url: str
    title: str
    start_index: int = Field(ge=0)
    end_index: int = Field(ge=0)


class Annotation(Shape):
    """A citation."""

    type: Literal["url_citation"]
    url_citation: UrlCitation


class AnsweredFunction(Shape):
    """Name and arguments of a call that the model makes."""

    name: str
    arguments: str = Field(description="JSON, as the model wrote it; check it.")


class AnsweredCall(Shape):
    """A call of one of the client's tools."""

    id: str
    type: Literal["function"]
    function: AnsweredFunction


class AnsweredMessage(Shape):
    """What the persona says."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None = Field(description="The server's own words where JSON was asked for.")
    reasoning: str = Field("", description="Where the base model thinks aloud.")
    tool_calls: list[AnsweredCall] = Field([])
    annotations: list[Annotation] = Field([])


class TopLogProb(Shape):
    """A token that was likely."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogProb(TopLogProb):
    """A token of the answer."""

    top_logprobs: list[TopLogProb]


class LogProbs(Shape):
    """How likely the answer's tokens were."""

    content: list[TokenLogProb] | None


class AnsweredChoice(Shape):
    """One answer."""

    index: int
    message: AnsweredMessage
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
    logprobs: LogProbs | None


class PromptDetails(Shape):
    """Of the prompt's tokens."""

    cached_tokens: int


class Usage(Shape):
    """Tokens of all engine calls of the turn."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails


class Source(Shape):
    """A passage that was in the prompt."""

    number: int
    cited: bool
    store: str
    document: str
    title: str
    start: int
    end: int
    score: float
    cosine: float
    url: str


class Step(Shape):
    """A call of one of the persona's actions."""

    action: str
    arguments: str
    state: str
    approval: str | None


class AnsweringPersona(Shape):
    """Which persona answered, in which revision."""

    id: str
    revision: str


class SearchedQuery(Shape):
    """What was searched for: the question, and for a follow-up a fuller form of it."""

    rewrite: Literal["none", "history", "model"]
    phrasings: list[str]


class Block(Shape):
    """What is Repertory's own, where the request asks for it."""

    conversation: str
    persona: AnsweringPersona
    adapter: str | None
    arm: str | None
    rollout: str | None
    retrieval: Literal["not_used", "found", "nothing_found", "unavailable"]
    query: SearchedQuery | None
    sources: list[Source]
    steps: list[Step]


class StepBlock(Shape):
    """A call that begins (`running`) or has come to something, in a stream that was asked for the block."""

    step: Step


class ChatCompletion(Shape):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[AnsweredChoice]
    usage: Usage
    repertory: Block | None = None


class FunctionFragment(Shape):
    """Part of a call: its name comes once, its arguments in pieces."""

    name: str | None = None
    arguments: str = ""


class CallFragment(Shape):
    """Part of a call; id and type come once."""

    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionFragment


class Delta(Shape):
    """What a frame adds to an answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    tool_calls: list[CallFragment] = Field([])
    annotations: list[Annotation] = Field([])


class StreamedChoice(Shape):
    """Part of one answer."""

    index: int
    delta: Delta
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | None
    logprobs: LogProbs | None


class ChatCompletionChunk(Shape):
    """One frame of a stream: `data: {…}`; after the last one comes `data: [DONE]`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[StreamedChoice]
    usage: Usage | None = None
    repertory: Block | StepBlock | None = None


class Embedding(Shape):
    """The vector of one text."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Shape):
    """Tokens that were embedded, estimated."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Shape):
    """One vector for each text."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage


JsonObject = dict[str, JsonValue]
