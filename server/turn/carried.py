"""Whether the arguments of a call carry text that the model was shown and the user did not write.

A model that obeys a hostile document could put instructions, passages or another service's answers into the
query of a harmless call. What stands in them word for word is seen here, and the call then waits for a person.
Pieces shorter than a window, paraphrases and encodings are not seen.
"""

import re
from collections.abc import Iterable, Iterator

from actions.json_value import JsonObject, JsonValue

WINDOW = 32
"""Characters in a row, small letters and single spaces, that are taken for copied rather than for a name."""

_CODE = re.compile(r"(?=[\w-]*\d)[\w-]{8,}")


class Carried:
    """What one turn has shown the model.

    Args:
        instructions: those of the persona. Words in them that look like a code count, too, however short.
        said: what the user wrote.
    """

    def __init__(self, instructions: str, said: Iterable[str]) -> None:
        self._said = _plain(" ".join(said))
        self._codes = {code for code in _CODE.findall(_plain(instructions)) if code not in self._said}
        self._texts: list[tuple[str | None, str]] = [(None, _plain(instructions))]

    def show(self, text: str, source: str | None = None) -> None:
        """Note that the model is shown `text`; what came from `source` may be sent back there."""
        self._texts.append((source, _plain(text)))

    def found_in(self, arguments: JsonObject, target: str) -> bool:
        """Tell whether arguments for `target` carry text from elsewhere."""
        written = _plain(" ".join(_strings(arguments)))
        if any(code in written for code in self._codes):
            return True
        windows = set(_windows(written)) - set(_windows(self._said))
        if not windows:
            return False
        return any(
            not windows.isdisjoint(_windows(text))
            for source, text in self._texts
            if source != target or source is None
        )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _windows(text: str) -> Iterator[str]:
    return (text[start : start + WINDOW] for start in range(len(text) - WINDOW + 1))


def _strings(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
