"""Answers of what is Repertory's own: `/api` and the addresses that watch over the server."""

from typing import Literal

from pydantic import Field

from actions import ApprovalState, BreakerState, CallState, ConnectionState
from actions.mcp import ToolState
from adapters.version import VersionState
from core.principal import Scope
from server.hooks.job import CallbackState, JobState
from server.openapi.openai_shapes import JsonObject
from server.openapi.shape import Shape


class Alive(Shape):
    """The process runs."""

    status: Literal["alive"]


class Ready(Shape):
    """Personas answer."""

    status: Literal["ready"]
    personas: int


class ActionShown(Shape):
    """What a persona may do."""

    name: str
    description: str
    consequential: bool
    host: BreakerState = Field(description="Whether its host is left alone after failures: `closed` is well.")


class PersonaShown(Shape):
    """A persona that serves."""

    id: str
    name: str
    description: str
    revision: str
    file: str
    conversation_starters: list[str]
    adapter: str | None
    adapter_version: int | None
    knowledge: list[str]
    actions: list[ActionShown]
    ready: bool
    reason: str | None


class NoticeShown(Shape):
    """What an operator should decide about a persona, which serves all the same."""

    persona: str
    message: str


class ProblemShown(Shape):
    """What is wrong with a persona's file."""

    file: str
    line: int
    field: str
    message: str


class PersonaList(Shape):
    """The personas that the key may use; administrators also see problems and notices."""

    object: Literal["list"]
    data: list[PersonaShown]
    problems: list[ProblemShown]
    notices: list[NoticeShown]


class EditShown(Shape):
    """What a person made of a call when approving it."""

    arguments: JsonObject
    effect: str


class ApprovalShown(Shape):
    """A call that waits for a person, or what became of it."""

    id: str
    state: ApprovalState
    persona: str
    principal: str
    conversation: str
    operation: str
    arguments: JsonObject
    effect: str = Field(description="Method and address, exactly.")
    created_at: float
    expires_at: float
    edited: EditShown | None = Field(description="The call is made so, and not as it was asked for.")
    decided_at: float | None
    decided_by: str | None
    result: str | None


class ApprovalList(Shape):
    """Calls, the oldest first."""

    object: Literal["list"]
    data: list[ApprovalShown]


class ConnectShown(Shape):
    """A link with which the caller connects an account."""

    id: str
    principal: str
    persona: str
    secret: str
    host: str
    url: str = Field(description="To be opened in a browser, once.")
    created_at: float
    expires_at: float


class ConnectionShown(Shape):
    """A connected account, without its tokens."""

    principal: str
    secret: str
    host: str
    state: ConnectionState
    reason: str | None
    scopes: list[str] = Field(description="What the service granted.")
    connected_at: float
    expires_at: float | None = Field(description="When the access token ends; it is renewed before.")


class ConnectionList(Shape):
    """Connected accounts."""

    object: Literal["list"]
    data: list[ConnectionShown]


class ConnectionDeleted(Shape):
    """A connected account that is forgotten."""

    secret: str
    deleted: Literal[True]
    revoked: bool = Field(description="Whether the service took its tokens back.")


class CallShown(Shape):
    """A call of the journal."""

    id: str
    state: CallState
    persona: str
    revision: str
    principal: str
    conversation: str
    operation: str
    target: str = Field(description="Method and server.")
    arguments_sha256: str | None = Field(description="Of the canonical JSON; null once it was deleted.")
    arguments: JsonObject | None = Field(description="Only where the server keeps them.")
    approval: str | None
    decided_by: str | None
    attempts: int
    status: int | None
    created_at: float
    sent_at: float | None
    finished_at: float | None


class CallList(Shape):
    """Calls, the newest first."""

    object: Literal["list"]
    data: list[CallShown]
    has_more: bool


class HookTaken(Shape):
    """A question that was taken in; its answer comes by callback, or is looked up."""

    object: Literal["hook.job"]
    id: str
    state: JobState


class HookCallback(Shape):
    """What the sender of a job was told last."""

    id: str
    url: str
    state: CallbackState
    attempts: int
    next_at: float | None
    delivered_at: float | None
    last_status: int | None


class HookJob(HookTaken):
    """A job of a hook."""

    persona: str
    hook: str
    delivery: str
    reference: str | None
    created_at: float
    finished_at: float | None
    answer: str | None
    citations: list[JsonObject]
    approvals: list[JsonObject] = Field(
        description="Calls that wait for a person: id, operation, arguments, effect."
    )
    error: JsonObject | None
    callback: HookCallback | None


class HookJobList(Shape):
    """Jobs, the newest first."""

    object: Literal["list"]
    data: list[HookJob]


class McpToolShown(Shape):
    """A tool of an MCP server, as it was accepted and as it is offered now."""

    name: str
    state: ToolState
    accepted: JsonObject | None
    offered: JsonObject | None


class McpServerShown(Shape):
    """An MCP server and its tools."""

    name: str
    url: str
    reachable: bool
    reason: str | None
    pinned_at: float | None
    pinned_by: str | None
    tools: list[McpToolShown]


class McpServerList(Shape):
    """The MCP servers of the settings."""

    object: Literal["list"]
    data: list[McpServerShown]


class FileNote(Shape):
    """A file of a folder, and what is wrong with it or was left out of it."""

    path: str
    reason: str


class StoreShown(Shape):
    """A knowledge store: a folder, or a vector store."""

    store: str
    name: str
    documents: int
    passages: int
    synced_at: float | None
    state: Literal["ready", "reading", "failed"]
    reason: str | None
    index: str | None = Field(description="How its vectors are searched: flat, sq8 or hnsw-sq8.")
    index_recall: float | None = Field(
        description="Share of the ten nearest that the index found when it was built."
    )
    failures: list[FileNote] = Field(description="Files that the last reading could not take in.")
    warnings: list[FileNote] = Field(description="Files that are there, but not whole.")


class Share(Shape):
    """Somebody who may read a vector store."""

    reader: str


class ShareList(Shape):
    """Whom a vector store is shared with."""

    object: Literal["list"]
    data: list[Share]


class StoreList(Shape):
    """The stores that the key's personas know, and the vector stores that it may read."""

    object: Literal["list"]
    data: list[StoreShown]


class Hit(Shape):
    """A passage that was found."""

    store: str
    document: str
    path: str
    title: str
    heading: str
    text: str
    start: int
    end: int
    page: int | None
    score: float
    cosine: float


class HitList(Shape):
    """Passages, best first."""

    object: Literal["list"]
    data: list[Hit]
    best_cosine: float


class VersionShown(Shape):
    """An adapter version."""

    name: str
    version: int
    engine_name: str
    state: VersionState
    rank: int
    digest: str
    created_at: float
    warnings: list[str]


class VersionList(Shape):
    """Every version of every adapter."""

    object: Literal["list"]
    data: list[VersionShown]


class StepShown(Shape):
    """A change of a version's state."""

    version: int
    from_: VersionState | None = Field(alias="from")
    to: VersionState
    by: str
    reason: str
    override: bool
    at: float


class AdapterShown(Shape):
    """The versions of one adapter, and what was done with them."""

    name: str
    versions: list[VersionShown]
    history: list[StepShown]


class LimitsShown(Shape):
    """What a key may use; null is without limit."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    requests_per_day: int | None
    tokens_per_day: int | None


class KeyShown(Shape):
    """A key, without its secret."""

    name: str
    scopes: list[Scope]
    personas: list[str] | None
    limits: LimitsShown
    created_at: float
    revoked_at: float | None


class KeyMade(KeyShown):
    """A new key; this answer alone has its secret."""

    secret: str


class KeyRevoked(KeyShown):
    """A revoked key, and the names of the secrets whose services did not take the tokens of its holder back."""

    tokens_left: list[str]


class KeyList(Shape):
    """All keys, revoked ones included."""

    object: Literal["list"]
    data: list[KeyShown]


class CountsShown(Shape):
    """Requests and tokens."""

    requests: int
    errors: int
    abandoned: int
    refused: int
    estimated: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class UsageLine(CountsShown):
    """The counts of one group; only what is grouped by is there."""

    key: str = ""
    persona: str = ""
    day: str = ""


class UsageReport(Shape):
    """What keys have used; days are days of UTC."""

    object: Literal["list"]
    from_: str = Field(alias="from")
    to: str
    data: list[UsageLine]
    total: CountsShown


class TimedAction(Shape):
    """An action call of a turn."""

    operation: str
    state: str
    seconds: float


class TranscriptShown(Shape):
    """One chat turn, without its texts."""

    object: Literal["transcript"]
    id: str
    principal: str
    user: str | None
    persona: str
    revision: str
    adapter: str | None
    conversation: str
    streamed: bool
    begun_at: float
    seconds: float
    first_token: float | None
    retrieval: str
    engine_calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    actions: list[TimedAction]
    finish: str | None
    error: str | None
    abandoned: bool
    has_content: bool


class TranscriptList(Shape):
    """Chat turns, the newest first."""

    object: Literal["list"]
    data: list[TranscriptShown]
    has_more: bool


class TranscriptTexts(Shape):
    """What was said in a turn."""

    messages: list[JsonObject]
    answers: list[str]
    passages: list[str]
    steps: list[JsonObject]


class TranscriptWhole(TranscriptShown):
    """One chat turn, with its texts where they are kept."""

    content: TranscriptTexts | None


class TranscriptsDeleted(Shape):
    """How much is gone."""

    object: Literal["transcripts.deleted"]
    deleted: int
    approvals_blanked: int
    calls_blanked: int
    erased: bool = Field(description="Whether the deleted texts are overwritten on disk already.")
