"""JSON by the standard library: one line for each object, which begins with its place in the document."""

import json
from collections.abc import Iterator

from retrieval.parsing import plain
from retrieval.parsing.document import Assembly, ParsedDocument
from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError

_CONTAINERS = (dict, list)


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return the values of a JSON document; numbers stay as they are written.

    Raises:
        FileRefusedError: it is no JSON, nested too deep, or too long.
    """
    text = plain.decoded(content)
    assembly = Assembly(limits.text_characters)
    lines: list[str] = []
    size = 0
    try:
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
        for line in _lines(value, ""):
            lines.append(line)
            size += len(line)
            if size > limits.text_characters:
                break  # the assembly says that it is too much
    except json.JSONDecodeError as error:
        raise FileRefusedError(f"It is no JSON ({error}). Correct it.") from error
    except RecursionError as error:
        raise FileRefusedError("It is nested too deep to be read. Flatten it.") from error
    assembly.add(lines)
    return assembly.document(markdown=False)


def _lines(value: object, place: str) -> Iterator[str]:
    """Yield a line for the plain values of each object or list, then what is inside them."""
    if isinstance(value, dict):
        plain_ones = {key: inner for key, inner in value.items() if not isinstance(inner, _CONTAINERS)}
        if plain_ones:
            yield " | ".join(
                [place] * bool(place) + [f"{key}: {_word(inner)}" for key, inner in plain_ones.items()]
            )
        for key, inner in value.items():
            if isinstance(inner, _CONTAINERS):
                yield from _lines(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        words = [_word(inner) for inner in value if not isinstance(inner, _CONTAINERS)]
        if words:
            yield (f"{place}: " if place else "") + ", ".join(words)
        for number, inner in enumerate(value):
            if isinstance(inner, _CONTAINERS):
                yield from _lines(inner, f"{place}[{number}]")
    else:
        yield _word(value)


def _word(value: object) -> str:
    """Return a plain value on one line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return " ".join(str(value).split())
