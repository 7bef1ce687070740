"""An operation that a model may call, and where each argument goes in the HTTP request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from actions.composition import Composition
from actions.json_value import JsonObject, JsonValue
from actions.reading import WHOLE, Reading

SAFE = frozenset({"GET", "HEAD"})
"""Methods that only read (RFC 9110, 9.2.1)."""

IDEMPOTENT = SAFE | {"PUT", "DELETE"}
"""Methods whose repetition changes nothing more (RFC 9110, 9.2.2)."""


class Place(StrEnum):
    """Where an argument goes."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"
    BODY_FIELD = "body_field"
    BODY = "body"


class Style(StrEnum):
    """How a value is written: the styles of OpenAPI's Parameter Object, and JSON."""

    SIMPLE = "simple"
    LABEL = "label"
    MATRIX = "matrix"
    FORM = "form"
    SPACE_DELIMITED = "spaceDelimited"
    PIPE_DELIMITED = "pipeDelimited"
    DEEP_OBJECT = "deepObject"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Part:
    """How a field travels in a multipart body.

    Attributes:
        media_type: its content type, or None for a plain field.
        is_file: it carries a file name, as files of a form do.
    """

    media_type: str | None = None
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """One argument of the model and its place in the request.

    Attributes:
        argument: the name in the operation's `parameters`.
        name: the name on the wire.
        explode: each item or property is written by itself.
        part: for a field of a multipart body.
    """

    argument: str
    place: Place
    name: str
    style: Style = Style.FORM
    explode: bool = True
    part: Part = Part()


class Offered(Protocol):
    """What a model may call, whether an operation of a document or a tool of an MCP server carries it out.

    The attributes mean what they mean in `Operation`.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  see the class
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102
    @property
    def parameters(self) -> JsonObject: ...  # noqa: D102
    @property
    def strict(self) -> JsonObject | None: ...  # noqa: D102
    @property
    def consequential(self) -> bool: ...  # noqa: D102
    @property
    def judged(self) -> bool: ...  # noqa: D102
    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def server(self) -> str: ...  # noqa: D102
    @property
    def secrets(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def request(self) -> str: ...  # noqa: D102
    @property
    def address(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Operation:
    """What a persona may call.

    Attributes:
        name: legal function name, at most 64 of `[a-zA-Z0-9_-]`.
        title: the document's own name for it, for people.
        description: one line of at most 300 characters, for the model.
        parameters: JSON Schema of an object without `$ref`.
        consequential: a person must approve each call.
        server: base URL without a slash at the end.
        path: the document's path with `{placeholders}`.
        media_type: content type of the body, or None without a body.
        secret: name of the secret that is sent along, if any.
        strict: what arguments are checked against where `parameters` had to be left open (recursion), with
            local `$ref`; None: `parameters` says it all.
        fixed: arguments that the persona sets and the model never sees; texts may be templates.
        reading: how an answer is read, and which part of it the model sees.
        notes: what differs from the document, for people.
        composition: makes the document's arguments of the model's, where the two differ.
        judged: the operator has said in the persona whether it is consequential.
        read_only: the operator or a connector of ours has said that it only reads, whatever its method says.
        idempotency_header: where the service looks for the key by which it knows a repeated call.
    """

    name: str
    title: str
    description: str
    parameters: JsonObject
    consequential: bool
    method: str
    server: str
    path: str
    bindings: tuple[Binding, ...]
    media_type: str | None = None
    secret: str | None = None
    strict: JsonObject | None = None
    fixed: Mapping[str, JsonValue] = field(default_factory=dict)
    reading: Reading = WHOLE
    notes: tuple[str, ...] = ()
    composition: Composition | None = None
    judged: bool = False
    read_only: bool = False
    idempotency_header: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that are sent along."""
        return () if self.secret is None else (self.secret,)

    @property
    def request(self) -> str:
        """What is called, in few words, for people."""
        return f"{self.method} {self.path}"

    @property
    def address(self) -> str:
        """What is called, in full, for people."""
        return f"{self.method} {self.server}{self.path}"

    @property
    def target(self) -> str:
        """Method and server, for the journal."""
        return f"{self.method} {self.server}"

    @property
    def idempotent(self) -> bool:
        """Whether a repetition changes nothing more, by its method (RFC 9110, 9.2.2) or since it only reads."""
        return self.read_only or self.method in IDEMPOTENT

    @property
    def repeatable(self) -> bool:
        """Whether a call may be tried again although an earlier try may have been carried out.

        That is so where the service recognises a repetition, and where a repetition changes nothing more and
        nobody had to approve: what a person approved is made once.
        """
        return self.idempotency_header is not None or (self.idempotent and not self.consequential)


@dataclass(frozen=True, slots=True)
class SkippedOperation:
    """An operation of the document that is not offered, and why.

    Attributes:
        denied: the persona does not want it; else it cannot be offered.
    """

    title: str
    reason: str
    denied: bool = False
