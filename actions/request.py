"""From an operation and checked arguments to an HTTP request. Owns the places; must never send anything."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

import httpx

from actions import styles
from actions.body import write_body
from actions.errors import ArgumentsInvalid
from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding, Operation, Place

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BODY = (Place.BODY, Place.BODY_FIELD)


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
    query: list[styles.Pair] = []
    cookies: list[styles.Pair] = []
    headers = {"Accept": "application/json, text/*;q=0.9, */*;q=0.1"}
    for binding in operation.bindings:
        if binding.argument not in arguments:
            continue
        value = arguments[binding.argument]
        if binding.place is Place.PATH:
            path = path.replace(f"{{{binding.name}}}", _segment(binding, value))
        elif binding.place is Place.QUERY:
            query += _free(operation, binding, styles.named(binding, value, styles.percent))
        elif binding.place is Place.COOKIE:
            cookies += _free(operation, binding, styles.named(binding, value, styles.cookie))
        elif binding.place is Place.HEADER and value is not None:
            headers[binding.name] = _header(binding, styles.header(binding, value))
    _refuse_climbing(operation.path, path)
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in cookies)
    written = None
    if operation.media_type is not None:
        fields = [one for one in operation.bindings if one.place in _BODY]
        written = write_body(operation.media_type, fields, arguments)
    if written is not None:
        headers["Content-Type"] = written[1]
    return PreparedRequest(
        operation.method, _url(operation, path, query), headers, written[0] if written is not None else None
    )


def _url(operation: Operation, path: str, query: list[styles.Pair]) -> httpx.URL:
    encoded = "&".join(f"{name}={text}" for name, text in query)
    try:
        return httpx.URL(f"{operation.server}{path}" + (f"?{encoded}" if encoded else ""))
    except httpx.InvalidURL as error:
        raise ArgumentsInvalid("The arguments are too long for an address. Write less.") from error


def _segment(binding: Binding, value: JsonValue) -> str:
    text = styles.segment(binding, value)
    for one in _texts(value):
        if not one or _CONTROL.search(one) or {".", ".."} & set(re.split(r"[/\\]", one)):
            raise ArgumentsInvalid(
                f"`{binding.argument}` cannot be {one!r:.100}: write a value that is not empty and has no `.` "
                "or `..` as a part of a path."
            )
    return text


def _texts(value: JsonValue) -> list[str]:
    if isinstance(value, dict):
        return [text for name, item in value.items() for text in (name, *_texts(item))] or [""]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)] or [""]
    return [styles.plain(value)]


def _refuse_climbing(template: str, path: str) -> None:
    """Refuse dots that only several values together make, or a style's own dot with a value's."""
    for before, after in zip(template.split("/"), path.split("/"), strict=True):
        if before != after and unquote(after) in {"", ".", ".."}:
            raise ArgumentsInvalid(f"The path cannot have {after!r} as a part. Write other values.")


def _header(binding: Binding, text: str) -> str:
    if not all(" " <= character <= "~" for character in text) or text != text.strip():
        raise ArgumentsInvalid(f"`{binding.argument}` goes into a header: write it in one line of plain ASCII.")
    return text


def _free(operation: Operation, binding: Binding, pairs: list[styles.Pair]) -> list[styles.Pair]:
    """Return `pairs`, if none of them, named by a value's own keys, takes the name of another parameter."""
    others = {
        styles.percent(one.name) for one in operation.bindings if one.place is binding.place and one is not binding
    }
    taken = next((name for name, _ in pairs if name in others), None)
    if taken is not None:
        raise ArgumentsInvalid(f"`{binding.argument}` cannot have the field `{unquote(taken)}`. Leave it out.")
    return pairs
