"""An operation that a model may call, and where each argument goes in the HTTP request."""

from dataclasses import dataclass
from enum import StrEnum

from actions.json_value import JsonObject


class Place(StrEnum):
    """Where an argument goes."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    BODY_FIELD = "body_field"
    BODY = "body"


class Encoding(StrEnum):
    """How an argument's value is written; each style of OpenAPI that is learned adds a member."""

    REPEATED = "repeated"
    COMMA = "comma"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Binding:
    """One argument of the model and its place in the request.

    Attributes:
        argument: the name in the operation's `parameters`.
        name: the name on the wire.
    """

    argument: str
    place: Place
    name: str
    encoding: Encoding = Encoding.REPEATED


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


@dataclass(frozen=True, slots=True)
class SkippedOperation:
    """An operation of the document that cannot be offered, and why."""

    title: str
    reason: str
