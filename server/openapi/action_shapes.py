"""Answers about actions: approvals, accounts, calls, hooks and MCP servers."""

from typing import Literal

from pydantic import Field

from actions import ApprovalState, CallState, ConnectionState
from actions.mcp import ToolState
from server.hooks.job import CallbackState, JobState
from server.openapi.openai_shapes import JsonObject
from server.openapi.shape import Shape


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
