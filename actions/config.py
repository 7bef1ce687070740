"""The `actions:` part of a persona file. Owns its shape; must never know documents or the network."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class OperationChoice(BaseModel):
    """One operation that the persona may call, with what the operator says differently from the document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[
        str,
        Field(min_length=1, description="The operationId, or `METHOD /path` where the document has none."),
    ]
    name: Annotated[
        str | None, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$", description="Name that the model sees.")
    ] = None
    description: Annotated[
        str | None, Field(min_length=1, max_length=300, description="Description that the model sees.")
    ] = None
    consequential: Annotated[
        bool | None,
        Field(description="Whether a person must approve each call; absent: as the document says."),
    ] = None


class ActionConfig(BaseModel):
    """An OpenAPI document and what a persona may call of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    document: Annotated[
        str, Field(min_length=1, description="OpenAPI 3.0 or 3.1 document: a path in the checkout, or a URL.")
    ]
    server: Annotated[str | None, Field(description="Base URL to call instead of the document's `servers`.")] = (
        None
    )
    operations: Annotated[
        tuple[str | OperationChoice, ...] | None,
        Field(min_length=1, description="The operations to offer; absent: all of the document."),
    ] = None
    secret: Annotated[
        str | None,
        Field(description="Name of a secret in the server's secrets file; never the secret itself."),
    ] = None

    @property
    def choices(self) -> tuple[OperationChoice, ...] | None:
        """The operations to offer, each with its overrides, or None for all."""
        if self.operations is None:
            return None
        return tuple(OperationChoice(id=item) if isinstance(item, str) else item for item in self.operations)
