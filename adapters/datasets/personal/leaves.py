"""The texts of a row in which somebody may stand: where each is, and the row with some of them replaced.

A text that is a JSON object or list, such as the arguments of a call, is looked through value by value: an escape
such as that of a line's end would hide what stands behind it, and a mask within the escape would break the JSON.
"""

import json
import re
from collections.abc import Callable, Collection

from adapters.datasets.example import JsonValue
from adapters.datasets.lines import JsonRefused, read_json

_NO_TEXT = {"role", "type", "id", "tool_call_id", "name", "tools", "weight"}
_PLAIN_KEY = re.compile(r"[A-Za-z_-]{1,64}")
_DEEPEST = 3
"""How often a document within a document is opened; each one costs twice the backslashes of the one around it."""

_Change = Callable[[str, str], str]


def texts_of(value: JsonValue, unread: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return path and text of every text, but for those that only programs read.

    Args:
        value: a row.
        unread: paths of further texts that are not looked at.
    """
    found: list[tuple[str, str]] = []

    def note(path: str, text: str) -> str:
        found.append((path, text))
        return text

    _changed(value, "", note, unread)
    return found


def with_texts(value: JsonValue, change: Callable[[str], str], unread: Collection[str] = ()) -> JsonValue:
    """Return the row with each of these texts changed, in the order of `texts_of`."""
    return _changed(value, "", lambda _, text: change(text), unread)


def _changed(value: JsonValue, path: str, change: _Change, unread: Collection[str]) -> JsonValue:
    if isinstance(value, str):
        return value if path in unread else _changed_text(value, path, change)
    if isinstance(value, list):
        return [_changed(item, f"{path}[{place}]", change, unread) for place, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            key: item if key in _NO_TEXT else _changed(item, f"{path}.{key}" if path else key, change, unread)
            for key, item in value.items()
        }
    return value


def _changed_text(text: str, path: str, change: _Change, depth: int = 0) -> str:
    document = _document(text) if depth < _DEEPEST else None
    if document is None:
        return change(path, text)
    changed = _changed_document(document, path, change, depth + 1)
    return text if changed == document else json.dumps(changed, ensure_ascii=False)


def _document(text: str) -> JsonValue:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return read_json(text)
    except JsonRefused:
        return None


def _changed_document(value: JsonValue, path: str, change: _Change, depth: int) -> JsonValue:
    """Change whatever is written in a document: texts, whole numbers, and the keys, which may be anything."""
    if isinstance(value, str):
        return _changed_text(value, path, change, depth)
    if isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
        changed = change(path, text)
        return value if changed == text else changed
    if isinstance(value, list):
        return [_changed_document(item, f"{path}[{place}]", change, depth) for place, item in enumerate(value)]
    if isinstance(value, dict):
        result: dict[str, JsonValue] = {}
        for key, item in value.items():
            told = change(path, key)
            free = told if told not in result else f"{told} {len(result) + 1}"
            inner = key if _PLAIN_KEY.fullmatch(key) else "*"  # a path never says whom it is about
            result[free] = _changed_document(item, f"{path}.{inner}", change, depth)
        return result
    return value
