"""Connectors: documents of ours for well-known services, with the defaults that a small model needs.

Owns what a connector's file may say, and reading it. A connector is a file in `connectors/`: an OpenAPI document
and, over it, operations with few arguments, good descriptions, and what waits for a person. It is code of ours, so
what it says of harmlessness counts, unlike what a document says of itself; a persona may be stricter or looser.
"""

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from actions.document import parse_document
from actions.errors import DocumentInvalid
from actions.soql import SoqlQuery

_FOLDER: Final = Path(__file__).with_name("connectors")


class ConnectorOperation(BaseModel):
    """One operation as a model is offered it.

    Attributes:
        of: the `operationId` in the document.
        consequential: a person must approve it; what needs nobody only reads, so that it may be tried again.
        offered: whether a persona has it that names no operations.
        arguments: name → JSON Schema of what the model writes.
        optional: those that it may leave out.
        fill: argument of the document → pattern (see `composition`).
        query: a query with bound parameters, for `query_argument`.
        query_argument: the argument of the document that only a bound query may fill.
        respond: the part of an answer that the model sees, as in a persona.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: str
    description: Annotated[str, Field(min_length=1, max_length=300)]
    consequential: bool
    offered: bool = True
    arguments: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    fill: dict[str, JsonValue] = Field(default_factory=dict)
    query: SoqlQuery | None = None
    query_argument: str | None = None
    respond: str | None = None


class Connector(BaseModel):
    """A service, as its file says.

    Attributes:
        server_needed: each customer has an address of their own, so the persona must give `server`.
        server_is_address: `server` is the very address to which the one path of the document goes.
        ok_field: the field of an answer that says whether the service did it, whatever the status is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    server_needed: bool = False
    server_is_address: bool = False
    ok_field: str | None = None
    operations: dict[str, ConnectorOperation]
    document: dict[str, JsonValue]

    @classmethod
    def read(cls, name: str) -> "Connector":
        """Return the connector `name`; each file is read once.

        Raises:
            DocumentInvalid: there is none.
        """
        if name not in names():
            raise DocumentInvalid(f"There is no connector {name!r}. There are: {', '.join(names())}.")
        return _read(name)


def names() -> tuple[str, ...]:
    """Return the names of the connectors."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@cache
def _read(name: str) -> Connector:
    raw = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    document = parse_document(json.dumps(raw["document"]), f"connector {name}")
    return Connector.model_validate({**raw, "name": name, "document": document})
