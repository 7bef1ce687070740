"""The `actions:` part of a persona file. Owns its shape; must never know documents or the network."""

from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    field_validator,
    model_validator,
)

from actions.selection import MAX_EXPRESSION, Selection
from actions.soql import SoqlQuery
from actions.template import check

ShownName = Annotated[str | None, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$", description="Name that the model sees.")]
ShownDescription = Annotated[
    str | None, Field(min_length=1, max_length=300, description="Description that the model sees.")
]


class OperationChoice(BaseModel):
    """One operation that the persona may call, with what the operator says differently from the document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[
        str,
        Field(min_length=1, description="The operationId, or `METHOD /path` where the document has none."),
    ]
    name: ShownName = None
    description: ShownDescription = None
    consequential: Annotated[
        bool | None,
        Field(
            description="Whether a person must approve each call; absent: all but reading, and what the document "
            "says must be."
        ),
    ] = None
    read_only: Annotated[
        bool,
        Field(
            description="It only reads although its method is not `GET`, such as a search by `POST`: it is then "
            "made and tried again as a `GET` is."
        ),
    ] = False
    idempotency_header: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9-]{1,64}$",
            description="Header by which the service knows a repeated call; only with it a call that changes "
            "something is tried again.",
        ),
    ] = None
    fixed: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Arguments that the model never sees, by name; texts may hold `{principal.id}`, "
        "`{persona.id}` and `{today}`.",
    )
    respond: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_EXPRESSION,
            description="JMESPath: the part of a JSON answer that the model sees; absent: all of it.",
        ),
    ] = None
    query: Annotated[
        SoqlQuery | None,
        Field(description="For the operation `query` of the connector `salesforce`: the query, with places."),
    ] = None

    @field_validator("fixed")
    @classmethod
    def _templates(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for one in value.values():
            check(one)
        return value

    @field_validator("respond")
    @classmethod
    def _expression(cls, value: str | None) -> str | None:
        if value is not None:
            Selection(value)
        return value


class ServerChoice(BaseModel):
    """Which of a document's `servers` is called, and what stands for the variables in its URL."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choose: Annotated[
        str | None,
        Field(min_length=1, description="Its `url` or `description` in the document; absent: the first."),
    ] = None
    variables: dict[str, str] = Field(
        default_factory=dict, description="Values of its variables; absent: the document's defaults."
    )


class ActionConfig(BaseModel):
    """An OpenAPI document, or a connector, and what a persona may call of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    document: Annotated[
        str, Field(min_length=1, description="OpenAPI 3.0 or 3.1 document: a path in the checkout, or a URL.")
    ] = ""
    connector: Annotated[
        str,
        Field(
            min_length=1,
            description="Instead of `document`: one of ours, `hubspot`, `salesforce`, `slack` or `webhook`.",
        ),
    ] = ""
    document_sha256: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-f]{64}$",
            description="Hash that the document must have; absent: a URL is pinned to what was first fetched.",
        ),
    ] = None
    server: Annotated[
        str | ServerChoice | None,
        Field(description="Base URL to call instead of the document's `servers`, or which of them to call."),
    ] = None
    operations: Annotated[
        tuple[str | OperationChoice, ...] | None,
        Field(min_length=1, description="The operations to offer; absent: all of the document."),
    ] = None
    deny: Annotated[
        tuple[str, ...],
        Field(
            description="Operations that are never offered: ids, `METHOD /path`, or patterns such as `DELETE *`."
        ),
    ] = ()
    secret: Annotated[
        str | None,
        Field(description="Name of a secret in the server's secrets file; never the secret itself."),
    ] = None

    @model_validator(mode="after")
    def _one_source(self) -> "ActionConfig":
        if bool(self.document) == bool(self.connector):
            raise ValueError("write either `document: …` or `connector: …`")
        if self.connector and self.document_sha256 is not None:
            raise ValueError("`document_sha256` goes with `document: …`; a connector has no document of yours")
        if self.document and any(choice.query is not None for choice in self.choices or ()):
            raise ValueError("`query` goes with `connector: salesforce` only")
        if self.connector and any(choice.read_only for choice in self.choices or ()):
            raise ValueError("`read_only` goes with `document: …`; a connector knows what of it only reads")
        return self

    @property
    def choices(self) -> tuple[OperationChoice, ...] | None:
        """The operations to offer, each with its overrides, or None for all."""
        if self.operations is None:
            return None
        return tuple(OperationChoice(id=item) if isinstance(item, str) else item for item in self.operations)


class ToolChoice(BaseModel):
    """One tool that the persona may call, with what the operator says differently from its server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1, description="The tool's name at the server.")]
    name: ShownName = None
    description: ShownDescription = None
    consequential: Annotated[
        bool, Field(description="Whether a person must approve each call, whatever the server says of itself.")
    ] = True


class McpConfig(BaseModel):
    """An MCP server of the server's settings and what a persona may call of its tools."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mcp: Annotated[
        str, Field(min_length=1, description="Name of an MCP server in the file that REPERTORY_MCP_FILE names.")
    ]
    operations: Annotated[
        tuple[str | ToolChoice, ...] | None,
        Field(
            min_length=1, description="The tools to offer, by their names there; absent: all that were accepted."
        ),
    ] = None

    @property
    def choices(self) -> tuple[ToolChoice, ...] | None:
        """The tools to offer, each with its overrides, or None for all."""
        if self.operations is None:
            return None
        return tuple(ToolChoice(id=item) if isinstance(item, str) else item for item in self.operations)


def _kind(value: object) -> str:
    is_mcp = "mcp" in value if isinstance(value, dict) else isinstance(value, McpConfig)
    return "[mcp]" if is_mcp else "[document]"


ActionSource = Annotated[
    Annotated[ActionConfig, Tag("[document]")] | Annotated[McpConfig, Tag("[mcp]")], Discriminator(_kind)
]
"""Where operations come from: a document, a connector, or an MCP server."""
