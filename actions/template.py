"""Templates in arguments that a persona fixes: `{principal.id}` in a text becomes the caller's id.

A value goes in as it is and is only ever part of one argument, which is encoded for its place like any other: it
cannot open another parameter or leave its part of a path. Must never know requests.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from actions.json_value import JsonObject, JsonValue

KNOWN = ("principal.id", "persona.id", "today")
_PIECE = re.compile(r"{{|}}|{([^{}]*)}|[{}]")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What templates may take up.

    Attributes:
        today: in UTC.
    """

    principal: str
    persona: str
    today: date

    def values(self) -> Mapping[str, str]:
        """Return the values by the names that templates use."""
        return {"principal.id": self.principal, "persona.id": self.persona, "today": self.today.isoformat()}


def check(value: JsonValue) -> None:
    """Check the templates in `value`.

    Raises:
        ValueError: one has a name that is not known, or a brace alone.
    """
    _fill(value, dict.fromkeys(KNOWN, ""))


def is_template(value: JsonValue) -> bool:
    """Tell whether filling could change `value`."""
    return _fill(value, dict.fromkeys(KNOWN, "")) != _fill(value, dict.fromkeys(KNOWN, "x"))


def names_caller(value: JsonValue) -> bool:
    """Tell whether a template in `value` takes up who calls."""
    empty = dict.fromkeys(KNOWN, "")
    return _fill(value, empty) != _fill(value, {**empty, "principal.id": "x"})


def literal(value: JsonValue) -> JsonValue:
    """Return what `value` is when nothing in it is a template: braces written twice become one."""
    return _fill(value, dict.fromkeys(KNOWN, ""))


def fill(value: JsonObject, circumstances: Circumstances) -> JsonObject:
    """Return `value` with the templates in all its texts filled."""
    values = circumstances.values()
    return {name: _fill(one, values) for name, one in value.items()}


def _fill(value: JsonValue, values: Mapping[str, str]) -> JsonValue:
    if isinstance(value, str):
        return _PIECE.sub(lambda piece: _piece(piece, values), value)
    if isinstance(value, list):
        return [_fill(one, values) for one in value]
    if isinstance(value, dict):
        return {name: _fill(one, values) for name, one in value.items()}
    return value


def _piece(piece: "re.Match[str]", values: Mapping[str, str]) -> str:
    if piece[0] in ("{{", "}}"):
        return piece[0][0]
    name = (piece[1] or "").strip()
    if name not in values:
        known = ", ".join(f"{{{one}}}" for one in KNOWN)
        raise ValueError(f"{piece[0]!r} is no template; known are {known}. A brace itself is written twice")
    return values[name]
