"""From the few arguments that a model writes to all that an operation of the document takes.

Owns the filling of a fixed pattern; must never know a service. A pattern is JSON in which a text may hold
placeholders: `{name}` alone stands for the argument with its type, inside other text for its text. `{name:text}`
is its text, `{name:html}` its text made safe as HTML, `{name:mrkdwn}` the same for Slack's markup ("Escaping
text": `&`, `<` and `>`), and `{now}` the time of the call in UTC.
"""

import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from actions.json_value import JsonObject, JsonValue

NOW: Final = "now"
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)(?::(text|html|mrkdwn))?\}")


class Composition(Protocol):
    """What stands between a model and an operation.

    Attributes:
        parameters: JSON Schema of what the model writes.
    """

    @property
    def parameters(self) -> JsonObject:
        """Return the JSON Schema of what the model writes."""

    def compose(self, arguments: JsonObject, now: float) -> JsonObject:
        """Return the arguments of the document's operation.

        Raises:
            ArgumentsInvalid: they cannot be written; the message is for the model.
        """


@dataclass(frozen=True, slots=True)
class Pattern:
    """Arguments that are passed on as they are, and others that are filled in.

    Attributes:
        arguments: name → JSON Schema of what the model writes.
        optional: those that it may leave out.
        passed: those that are arguments of the document under the same name.
        filled: argument of the document → pattern.
    """

    arguments: Mapping[str, JsonObject]
    optional: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    filled: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def parameters(self) -> JsonObject:
        """Return the JSON Schema of what the model writes."""
        return closed_object(self.arguments, (name for name in self.arguments if name not in self.optional))

    def compose(self, arguments: JsonObject, now: float) -> JsonObject:
        """Return the arguments of the document's operation; what an absent argument would fill is left out."""
        time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        values: JsonObject = {**arguments, NOW: time}
        passed: JsonObject = {name: value for name, value in arguments.items() if name in self.passed}
        filled = _filled(dict(self.filled), values)
        return passed | (filled if isinstance(filled, dict) else {})


def closed_object(properties: Mapping[str, JsonObject], required: Iterable[str]) -> JsonObject:
    """Return the JSON Schema of an object with these properties and no other."""
    names: list[JsonValue] = list(required)
    whole: JsonObject = {"type": "object", "properties": dict(properties)}
    return whole | ({"required": names} if names else {}) | {"additionalProperties": False}


def placeholders(pattern: JsonValue) -> set[str]:
    """Return the names of the arguments that `pattern` needs."""
    if isinstance(pattern, str):
        return {match[1] for match in _PLACEHOLDER.finditer(pattern)} - {NOW}
    parts = pattern.values() if isinstance(pattern, dict) else pattern if isinstance(pattern, list) else ()
    return {name for part in parts for name in placeholders(part)}


class _Absent:
    """Stands for a part whose argument was not written."""


_ABSENT = _Absent()


def _filled(pattern: JsonValue, values: JsonObject) -> JsonValue | _Absent:
    if isinstance(pattern, str):
        return _text(pattern, values)
    if isinstance(pattern, list):
        items = [_filled(part, values) for part in pattern]
        return [item for item in items if not isinstance(item, _Absent)]
    if isinstance(pattern, dict):
        parts = {key: _filled(part, values) for key, part in pattern.items()}
        return {key: part for key, part in parts.items() if not isinstance(part, _Absent)}
    return pattern


def _text(pattern: str, values: JsonObject) -> JsonValue | _Absent:
    matches = list(_PLACEHOLDER.finditer(pattern))
    if any(match[1] not in values for match in matches):
        return _ABSENT
    if matches and matches[0][0] == pattern and not matches[0][2]:
        return values[matches[0][1]]
    return _PLACEHOLDER.sub(lambda match: _written(values[match[1]], match[2]), pattern)


def _written(value: JsonValue, markup: str | None) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if markup == "html":
        return html.escape(text).replace("\n", "<br>")
    return html.escape(text, quote=False) if markup == "mrkdwn" else text
