"""The texts of a row in which somebody may stand: where each is, and the row with some of them replaced."""

from collections.abc import Callable, Iterator

from adapters.datasets.example import JsonValue

_NO_TEXT = {"role", "type", "id", "tool_call_id", "name", "tools", "weight"}


def texts_of(value: JsonValue, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and text of every text, but for those that only programs read."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from texts_of(item, f"{path}[{place}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _NO_TEXT:
                yield from texts_of(item, f"{path}.{key}" if path else key)


def with_texts(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    """Return the row with each of these texts changed, in the order of `texts_of`."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [with_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {key: item if key in _NO_TEXT else with_texts(item, change) for key, item in value.items()}
    return value
