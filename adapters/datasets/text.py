"""What no text that is learnt may hold: characters and marks that would end a text, or a turn."""

import re
from collections.abc import Iterator

from adapters.datasets.example import JsonValue
from adapters.datasets.row import Row

_CONTROL_TOKEN = re.compile(r"<\|(?:im_start|im_end|endoftext|fim_prefix|fim_middle|fim_suffix)\|>")


def check_text(row: Row, where: str, text: str) -> None:
    """Tell of what the text must not hold."""
    if "\x00" in text:
        row.error(where, "nul_character", "The text holds a NUL character.")
    if found := _CONTROL_TOKEN.search(text):
        row.error(where, "control_token", f"The text holds the control token {found.group()!r}.")


def check_texts(row: Row, where: str, value: JsonValue) -> None:
    """Tell of the first text in a value, its keys counted, that holds what it must not."""
    for text in _texts(value):
        before = len(row.findings)
        check_text(row, where, text)
        if len(row.findings) > before:
            return


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
