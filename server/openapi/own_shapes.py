"""Answers of what is Repertory's own: the server, personas, knowledge, adapters and transcripts."""

from typing import Literal

from pydantic import Field

from actions import BreakerState
from adapters.version import VersionState
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


class SlackShown(Shape):
    """Where a persona speaks in Slack."""

    app: str | None
    workspaces: list[str]
    channels: list[str]
    direct: bool
    approvers: list[str]
    hand_over: str | None


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
    slack: SlackShown | None = Field(
        description="Its part `integrations.slack`, for the program that serves Slack."
    )
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


class EndShown(Shape):
    """When a version, or where none is named the whole adapter, answers no more."""

    version: int | None
    at: float
    successor: str
    by: str


class AdapterShown(Shape):
    """The versions of one adapter, and what was done with them."""

    name: str
    versions: list[VersionShown]
    aliases: dict[str, int]
    retirements: list[EndShown]
    history: list[StepShown]


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
    sources: list[str] = Field(description="Ids of the passages that the model was given.")
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


class FeedbackShown(Shape):
    """What somebody thinks of an answer, with where that answer came from."""

    object: Literal["feedback"]
    id: str
    answer: str
    rating: Literal["good", "bad"]
    reason: str | None
    by: str | None = Field(description="The client's word for who gave it.")
    principal: str
    user: str | None = Field(description="The client's word for who had asked.")
    persona: str
    revision: str
    adapter: str | None
    conversation: str
    sources: list[str]
    created_at: float


class FeedbackList(Shape):
    """Feedback, the newest first."""

    object: Literal["list"]
    data: list[FeedbackShown]
    has_more: bool


class TranscriptsDeleted(Shape):
    """How much is gone."""

    object: Literal["transcripts.deleted"]
    deleted: int
    feedback_deleted: int
    approvals_blanked: int
    calls_blanked: int
    erased: bool = Field(description="Whether the deleted texts are overwritten on disk already.")
