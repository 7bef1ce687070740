"""Queries in SOQL, Salesforce's language, with bound parameters: the operator writes them, never a model.

A query has places such as `:account`. What a model writes for them becomes a literal of the place's type, so that
it can only ever be compared with, whatever it holds. After Salesforce's "SOQL and SOSL Reference": "Quoted String
Escape Sequences", "Reserved Characters", "Date Formats and Date Literals".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from actions.composition import closed_object
from actions.errors import ArgumentsInvalid
from actions.json_value import JsonObject, JsonValue

MAX_TEXT: Final = 255
MAX_ITEMS: Final = 100
MAX_QUERY: Final = 15_000
"""Characters of a written query: it travels in an address, of which Salesforce reads some 16,000 bytes."""

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|:(?P<name>[a-z][a-z0-9_]*)|'(?P<open>)", re.DOTALL)
_ID = r"^[a-zA-Z0-9]{15}([a-zA-Z0-9]{3})?$"
_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_UNWRITABLE = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f\u2028\u2029]")


SoqlType = Literal[
    "text",
    "contains",
    "starts_with",
    "id",
    "integer",
    "number",
    "boolean",
    "date",
    "datetime",
    "texts",
    "ids",
]
"""What may stand in a place."""

_TEXT: JsonObject = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_ID_SCHEMA: JsonObject = {"type": "string", "pattern": _ID}
_LIST: JsonObject = {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS}
_SCHEMAS: Mapping[SoqlType, JsonObject] = {
    "text": _TEXT,
    "contains": _TEXT,
    "starts_with": _TEXT,
    "id": _ID_SCHEMA,
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    "datetime": {"type": "string", "minLength": 20, "maxLength": 32},
    "texts": {**_LIST, "items": _TEXT},
    "ids": {**_LIST, "items": _ID_SCHEMA},
}


class SoqlParameter(BaseModel):
    """One place of a query and what a model may write there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="Its name: `:name` in the query.")]
    type: Annotated[
        SoqlType,
        Field(
            description="What may stand there; `contains` and `starts_with` go after LIKE, "
            "`texts` and `ids` after IN."
        ),
    ] = "text"
    description: Annotated[str | None, Field(max_length=300, description="What the model reads about it.")] = None
    default: Annotated[
        str | int | float | bool | None, Field(description="Taken where the model writes none.")
    ] = None
    minimum: Annotated[float | None, Field(description="Least value of a number.")] = None
    maximum: Annotated[float | None, Field(description="Greatest value of a number.")] = None

    @property
    def schema_of_value(self) -> JsonObject:
        """Return the JSON Schema of what the model writes."""
        schema = dict(_SCHEMAS[self.type])
        said = {"minimum": self.minimum, "maximum": self.maximum, "description": self.description}
        return schema | {key: value for key, value in said.items() if value is not None}


class SoqlQuery(BaseModel):
    """A query of the operator's, with places for what a model may choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    soql: Annotated[
        str, Field(min_length=1, max_length=10_000, description="The query, with places such as `:account`.")
    ]
    parameters: Annotated[
        tuple[SoqlParameter, ...], Field(max_length=16, description="One entry for each place.")
    ] = ()

    @model_validator(mode="after")
    def _places_and_parameters_are_the_same(self) -> "SoqlQuery":
        places = {place for _, place in _split(self.soql) if place is not None}
        names = [parameter.name for parameter in self.parameters]
        if len(set(names)) != len(names):
            raise ValueError("two parameters have the same name")
        if places - set(names):
            raise ValueError(f"the place :{min(places - set(names))} has no entry under parameters")
        if set(names) - places:
            raise ValueError(
                f"the parameter {min(set(names) - places)!r} has no place in the query; write `:{names[0]}` "
                "outside of quotes"
            )
        for parameter in self.parameters:
            if parameter.default is not None:
                try:
                    literal(parameter, parameter.default)
                except ArgumentsInvalid as error:
                    raise ValueError(f"the default does not fit: {error.message}") from error
        return self


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query as an operation: the model writes values, the service gets SOQL in `argument`."""

    query: SoqlQuery
    argument: str

    @property
    def parameters(self) -> JsonObject:
        """Return the JSON Schema of what the model writes."""
        given = {parameter.name: parameter.schema_of_value for parameter in self.query.parameters}
        return closed_object(given, (one.name for one in self.query.parameters if one.default is None))

    def compose(self, arguments: JsonObject, now: float) -> JsonObject:
        """Return the query with literals in its places.

        Raises:
            ArgumentsInvalid: a value is none of its type.
        """
        return {self.argument: written(self.query, arguments)}


def written(query: SoqlQuery, values: JsonObject) -> str:
    """Return `query` with `values` as literals.

    Raises:
        ArgumentsInvalid: a value is missing or none of its type, or the whole is too long.
    """
    parameters = {parameter.name: parameter for parameter in query.parameters}
    parts = []
    for text, place in _split(query.soql):
        parts.append(text)
        if place is not None:
            parameter = parameters[place]
            parts.append(literal(parameter, values.get(place, parameter.default)))
    whole = "".join(parts)
    if len(whole) > MAX_QUERY:
        raise ArgumentsInvalid("The arguments are too long for one query. Write fewer or shorter ones.")
    return whole


def literal(parameter: SoqlParameter, value: JsonValue) -> str:
    """Return `value` as a SOQL literal of the parameter's type.

    Raises:
        ArgumentsInvalid: it is none.
    """
    wrong = ArgumentsInvalid(f"`{parameter.name}` must be of type {parameter.type}, not {str(value)[:80]!r}.")
    match parameter.type, value:
        case "text", str():
            return _quoted(parameter, value)
        case "contains", str():
            return _quoted(parameter, value, like="%{}%")
        case "starts_with", str():
            return _quoted(parameter, value, like="{}%")
        case "id", str() if re.fullmatch(_ID[1:-1], value, re.ASCII):
            return f"'{value}'"
        case "boolean", bool():
            return "true" if value else "false"
        case "integer" | "number", int() | float() if not isinstance(value, bool):
            return _number(parameter, value)
        case "date" | "datetime", str():
            return _moment(parameter, value)
        case "texts" | "ids", list() if value:
            kind = "text" if parameter.type == "texts" else "id"
            item = parameter.model_copy(update={"type": kind})
            return f"({', '.join(literal(item, one) for one in value)})"
    raise wrong


def _split(soql: str) -> Iterator[tuple[str, str | None]]:
    """Yield the query's own text and the place behind it, in turn; what stands in quotes is text."""
    end = 0
    for token in _TOKEN.finditer(soql):
        if token["open"] is not None:
            raise ValueError("a quote in the query is never closed")
        if token["name"] is not None:
            yield soql[end : token.start()], token["name"]
            end = token.end()
    yield soql[end:], None


def _quoted(parameter: SoqlParameter, value: str, like: str = "{}") -> str:
    if len(value) > MAX_TEXT or _UNWRITABLE.search(value):
        raise ArgumentsInvalid(
            f"`{parameter.name}` must be plain text of at most {MAX_TEXT} characters without control characters."
        )
    escaped = "".join(_ESCAPES.get(character, character) for character in value)
    if like != "{}":
        escaped = escaped.replace("%", "\\%").replace("_", "\\_")
    return f"'{like.format(escaped)}'"


def _number(parameter: SoqlParameter, value: float) -> str:
    low, high = parameter.minimum, parameter.maximum
    if not abs(value) <= 1e18 or (low is not None and value < low) or (high is not None and value > high):
        raise ArgumentsInvalid(f"`{parameter.name}` cannot be {value}: it is too small or too great.")
    if parameter.type == "integer" and value != int(value):
        raise ArgumentsInvalid(f"`{parameter.name}` must be a whole number, not {value}.")
    return str(int(value)) if parameter.type == "integer" else format(Decimal(str(value)), "f")


def _moment(parameter: SoqlParameter, value: str) -> str:
    """Write a date, or a moment in UTC: SOQL takes neither in quotes, so only what was read is written anew."""
    try:
        if parameter.type == "date":
            return date.fromisoformat(value).isoformat()
        moment = datetime.fromisoformat(value)
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        form = "2026-03-31" if parameter.type == "date" else "2026-03-31T09:00:00Z"
        raise ArgumentsInvalid(f"`{parameter.name}` must be written as {form}, not {value[:40]!r}.") from error
    if moment.tzinfo is None:
        raise ArgumentsInvalid(f"`{parameter.name}` needs a time zone, such as 2026-03-31T09:00:00Z.")
    return in_utc.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
