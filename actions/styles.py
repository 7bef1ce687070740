"""Values as text in the styles of OpenAPI (Parameter Object, and RFC 6570, on which they stand).

A value is data: what would be read as a delimiter is percent-encoded, or refused where the style has no way to
encode it (a comma in a header, a space in `spaceDelimited`). Must never know places other than by their escaping.
"""

import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

from actions.errors import ArgumentsInvalid
from actions.json_value import JsonValue
from actions.operation import Binding, Style

Pair = tuple[str, str]
Escape = Callable[[str], str]

_COOKIE_SAFE = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_DELIMITER = {Style.SPACE_DELIMITED: " ", Style.PIPE_DELIMITED: "|"}
_MOST_NESTED = 8


def percent(text: str) -> str:
    """Encode all but the unreserved characters of RFC 3986."""
    return quote(text, safe="")


def cookie(text: str) -> str:
    """Encode what may not stand in a cookie's value (RFC 6265), the delimiters of lists, and `%` itself."""
    return quote(text, safe=_COOKIE_SAFE)


def plain(value: JsonValue) -> str:
    """Return a plain value as text; null is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def as_json(value: JsonValue) -> str:
    """Return any value as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def named(binding: Binding, value: JsonValue, escape: Escape) -> list[Pair]:
    """Return the escaped `name=value` pairs of a query, a form or a cookie; none for null and for an empty list.

    Raises:
        ArgumentsInvalid: the value cannot be written in this style.
    """
    if value is None or value in ([], {}):
        return []
    if binding.style is Style.DEEP_OBJECT:
        return [(percent(name), escape(text)) for name, text in _deep(binding, binding.name, value)]
    if binding.style is Style.JSON:
        return [(percent(binding.name), escape(as_json(value)))]
    if binding.explode and isinstance(value, dict):
        return [(percent(name), escape(text)) for name, text in _properties(binding, value)]
    if binding.explode and isinstance(value, list):
        return [(percent(binding.name), escape(text)) for text in _items(binding, value)]
    delimiter = _DELIMITER.get(binding.style, ",")
    parts = _parts(binding, value)
    if delimiter != ",":  # escaped itself, so that an item which holds it could not be told apart
        _refuse(binding, parts, delimiter)
        return [(percent(binding.name), escape(delimiter.join(parts)))]
    return [(percent(binding.name), delimiter.join(map(escape, parts)))]


def segment(binding: Binding, value: JsonValue) -> str:
    """Return the escaped text that stands for a placeholder of a path.

    Raises:
        ArgumentsInvalid: the value cannot be written in this style.
    """
    texts = [as_json(value)] if binding.style is Style.JSON else _parts(binding, value)
    if binding.style is Style.LABEL and binding.explode and isinstance(value, list | dict):
        _refuse(binding, texts, ".")  # which percent-encoding does not know
    pairs = _properties(binding, value) if isinstance(value, dict) and binding.explode else []
    written = [f"{percent(name)}={percent(text)}" for name, text in pairs] or [percent(text) for text in texts]
    if binding.style is Style.LABEL:
        return "." + ("." if binding.explode else ",").join(written)
    if binding.style is Style.MATRIX:
        if not binding.explode or not isinstance(value, list | dict):
            return f";{percent(binding.name)}={','.join(written)}"
        return "".join(f";{one}" if pairs else f";{percent(binding.name)}={one}" for one in written)
    return ",".join(written)


def header(binding: Binding, value: JsonValue) -> str:
    """Return the text of a header, which knows no escaping.

    Raises:
        ArgumentsInvalid: the value cannot be written in this style.
    """
    if binding.style is Style.JSON:
        return json.dumps(value)  # in ASCII
    if not isinstance(value, list | dict):
        return plain(value)
    if isinstance(value, dict) and binding.explode:
        pairs = _properties(binding, value)
        _refuse(binding, [name for name, _ in pairs], "=")
        parts = [f"{name}={text}" for name, text in pairs]
    else:
        parts = _parts(binding, value)
    _refuse(binding, parts, ",")
    return ",".join(parts)


def _parts(binding: Binding, value: JsonValue) -> list[str]:
    """Return the items of a list, names and values of an object in turn, or the one plain value."""
    if isinstance(value, dict):
        return [text for pair in _properties(binding, value) for text in pair]
    return _items(binding, value if isinstance(value, list) else [value])


def _items(binding: Binding, values: list[JsonValue]) -> list[str]:
    return [_plain(binding, item) for item in values]


def _properties(binding: Binding, value: dict[str, JsonValue]) -> list[Pair]:
    return [(name, _plain(binding, item)) for name, item in value.items() if item is not None]


def _plain(binding: Binding, value: JsonValue) -> str:
    if isinstance(value, dict | list):
        raise ArgumentsInvalid(f"`{binding.argument}` must hold plain values, no lists or objects inside.")
    return plain(value)


def _deep(binding: Binding, name: str, value: JsonValue, depth: int = 0) -> Iterator[Pair]:
    """Yield `name[key]=value`; OpenAPI stops here, and objects and lists inside go on as `[key][key]`, `[0]`."""
    if depth > _MOST_NESTED:
        raise ArgumentsInvalid(f"`{binding.argument}` is nested too deeply.")
    if isinstance(value, dict):
        _refuse(binding, list(value), "[", "]")
        for key, item in value.items():
            yield from _deep(binding, f"{name}[{key}]", item, depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _deep(binding, f"{name}[{number}]", item, depth + 1)
    elif value is not None:
        yield name, plain(value)


def _refuse(binding: Binding, texts: list[str], *delimiters: str) -> None:
    for text in texts:
        for delimiter in delimiters:
            if delimiter in text:
                raise ArgumentsInvalid(
                    f"In `{binding.argument}` the value {text!r:.100} cannot hold {delimiter!r}: "
                    "it parts one value from the next."
                )
