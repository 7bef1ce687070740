"""From an operation and checked arguments to an HTTP request. Owns the encoding; must never send anything."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from actions.errors import ArgumentsInvalid
from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding, Encoding, Operation, Place

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """What will be sent, without secrets."""

    method: str
    url: httpx.URL
    headers: dict[str, str]
    content: bytes | None


def prepare(operation: Operation, arguments: JsonObject) -> PreparedRequest:
    """Write `arguments` into their places.

    Raises:
        ArgumentsInvalid: a value cannot stand in its place, such as `../x` in a path.
    """
    path = operation.path
    query: list[tuple[str, str]] = []
    headers = {"Accept": "application/json, text/*;q=0.9, */*;q=0.1"}
    fields: JsonObject = {}
    content: bytes | None = None
    for binding in operation.bindings:
        if binding.argument not in arguments:
            continue
        value = arguments[binding.argument]
        if binding.place is Place.PATH:
            path = path.replace(f"{{{binding.name}}}", _segment(binding, value))
        elif binding.place is Place.QUERY:
            query.extend(_named(binding, value))
        elif binding.place is Place.HEADER:
            headers |= {name: _header(binding, text) for name, text in _named(binding, value)}
        elif binding.place is Place.BODY_FIELD:
            fields[binding.name] = value
        else:
            content = _json(value)
    if any(binding.place is Place.BODY_FIELD for binding in operation.bindings):
        content = _json(fields)
    if content is not None and operation.media_type is not None:
        headers["Content-Type"] = operation.media_type
    encoded = "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in query)
    try:
        url = httpx.URL(f"{operation.server}{path}" + (f"?{encoded}" if encoded else ""))
    except httpx.InvalidURL as error:
        raise ArgumentsInvalid("The arguments are too long for an address. Write less.") from error
    return PreparedRequest(operation.method, url, headers, content)


def _segment(binding: Binding, value: JsonValue) -> str:
    text = ",".join(_texts(binding, value))
    parts = re.split(r"[/\\]", text)
    if not text or "." in parts or ".." in parts or _CONTROL.search(text):
        raise ArgumentsInvalid(
            f"`{binding.argument}` cannot be {text!r:.100}: write a value that is not empty and has no `.` "
            "or `..` as a part of a path."
        )
    return quote(text, safe="")


def _header(binding: Binding, text: str) -> str:
    if not all(" " <= character <= "~" for character in text):
        raise ArgumentsInvalid(f"`{binding.argument}` goes into a header: write it in one line of plain ASCII.")
    return text


def _named(binding: Binding, value: JsonValue) -> list[tuple[str, str]]:
    return [(binding.name, text) for text in _texts(binding, value)]


def _texts(binding: Binding, value: JsonValue) -> Iterable[str]:
    """Return the values to write: several for a repeated list, none for null."""
    if value is None:
        return []
    if binding.encoding is Encoding.JSON:
        return [json.dumps(value, ensure_ascii=False)]
    values = [_text(binding, item) for item in (value if isinstance(value, list) else [value])]
    if binding.encoding is Encoding.COMMA or binding.place is not Place.QUERY:
        return [",".join(values)]
    return values


def _text(binding: Binding, value: JsonValue) -> str:
    if isinstance(value, dict | list):
        raise ArgumentsInvalid(f"`{binding.argument}` must be a plain value or a list of plain values.")
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _json(value: JsonValue) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
