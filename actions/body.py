"""The body of a request, from its arguments: JSON, a form, a multipart form, or text. Owns the bytes.

A field of a form that has no style is written as OpenAPI says of its content type: a list item by item, an
object as JSON, all else as text.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum

import httpx

from actions.errors import ArgumentsInvalid
from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding, Place, Style
from actions.styles import Pair, as_json, named, percent, plain

_Field = tuple[str, tuple[str | None, bytes, str | None]]


class BodyKind(StrEnum):
    """What a media type asks of a body."""

    JSON = "json"
    FORM = "form"
    MULTIPART = "multipart"
    TEXT = "text"


def kind_of(media_type: str) -> BodyKind | None:
    """Return how a body of this media type is written, or None where it cannot be."""
    kind = media_type.split(";")[0].strip().lower()
    if kind in {"application/json", "*/*", "application/*"} or kind.endswith("+json"):
        return BodyKind.JSON
    if kind == "application/x-www-form-urlencoded":
        return BodyKind.FORM
    if kind == "multipart/form-data":
        return BodyKind.MULTIPART
    return BodyKind.TEXT if kind.startswith("text/") else None


def write_body(media_type: str, bindings: Sequence[Binding], arguments: JsonObject) -> tuple[bytes, str] | None:
    """Return the body and its content type, or None where no argument asks for one.

    Args:
        media_type: of the operation.
        bindings: those of the body: its fields, or the one that is the whole.
        arguments: checked.

    Raises:
        ArgumentsInvalid: a value cannot be written in its style.
    """
    given = [(one, arguments[one.argument]) for one in bindings if one.argument in arguments]
    whole = next((value for one, value in given if one.place is Place.BODY), None)
    has_fields = any(one.place is Place.BODY_FIELD for one in bindings)
    if not given and not has_fields:
        return None
    kind = kind_of(media_type)
    if kind is BodyKind.FORM:
        return _form(_fields(given)).encode(), media_type
    if kind is BodyKind.MULTIPART:
        return _multipart(list(_parts(_fields(given))))
    if kind is BodyKind.TEXT:
        return plain(whole).encode(), media_type if "charset" in media_type else f"{media_type}; charset=utf-8"
    value = {one.name: value for one, value in given} if has_fields else whole
    return as_json(value).encode(), media_type


def _fields(given: Iterable[tuple[Binding, JsonValue]]) -> list[tuple[Binding, JsonValue]]:
    """Return the fields of a form; where it is one argument, each of its properties is one."""
    fields: list[tuple[Binding, JsonValue]] = []
    for binding, value in given:
        if binding.place is Place.BODY_FIELD:
            fields.append((binding, value))
        elif isinstance(value, dict):
            fields += [(replace(binding, name=name), item) for name, item in value.items()]
        elif value is not None:
            raise ArgumentsInvalid(f"`{binding.argument}` is a form: write an object with its fields.")
    return fields


def _form(fields: Iterable[tuple[Binding, JsonValue]]) -> str:
    return "&".join(f"{name}={text}" for binding, value in fields for name, text in _pairs(binding, value))


def _pairs(binding: Binding, value: JsonValue) -> list[Pair]:
    if binding.style is not Style.JSON:
        return named(binding, value, percent)
    return [(percent(binding.name), percent(as_json(one) if _deep(one) else plain(one))) for one in _each(value)]


def _parts(fields: Iterable[tuple[Binding, JsonValue]]) -> Iterator[_Field]:
    for binding, value in fields:
        asked = binding.part.media_type
        is_json = asked is not None and kind_of(asked) is BodyKind.JSON and not binding.part.is_file
        for one in _each(value):
            structured = is_json or _deep(one)
            text = as_json(one) if structured else plain(one)
            filename = f"{binding.name}.txt" if binding.part.is_file else None
            yield binding.name, (filename, text.encode(), asked or ("application/json" if structured else None))


def _each(value: JsonValue) -> list[JsonValue]:
    """Return the items of a list, each of which is a field by itself, or the one value; none for null."""
    return [one for one in (value if isinstance(value, list) else [value]) if one is not None]


def _deep(value: JsonValue) -> bool:
    return isinstance(value, dict | list)


def _multipart(fields: list[_Field]) -> tuple[bytes, str] | None:
    """Write the parts; the boundary is a hash over all of them, so that none of them can hold it."""
    if not fields:
        return None
    boundary = hashlib.sha256(repr(fields).encode()).hexdigest()[:40]
    kind = f"multipart/form-data; boundary={boundary}"
    request = httpx.Request("POST", "https://localhost", headers={"Content-Type": kind}, files=fields)
    return request.read(), kind
