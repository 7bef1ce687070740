"""Cutting a long answer where a reader would: between paragraphs, lines, sentences or words. Pure."""

import re

_FENCE = "```"
_PLACES = (re.compile(r"\n\n+"), re.compile(r"\n"), re.compile(r"(?<=[.!?…])[ \t]+"), re.compile(r"[ \t]+"))
_LEAST = 0.4
"""A part that is shorter than this share of the room is not worth a better place."""


def cut(text: str, room: int, *, in_code: bool = False) -> tuple[str, str]:
    """Return the beginning of `text` that fits, and the rest.

    A code block that the cut goes through is closed in the first part and opened again in the second.

    Args:
        text: Markdown.
        room: characters of the first part, at most.
        in_code: whether a code block was opened before `text`.
    """
    if len(text) <= room:
        return text, ""
    place = _place(text, max(1, room - len(_FENCE) - 1))
    head, tail = text[:place].rstrip(" \t"), text[place:].lstrip(" \t")
    if open_code(head, in_code=in_code):
        return f"{head.rstrip()}\n{_FENCE}", f"{_FENCE}\n{tail.lstrip(chr(10))}"
    return head.rstrip(), tail.lstrip("\n")


def parts(text: str, room: int) -> list[str]:
    """Return `text` in parts of at most `room` characters."""
    found = []
    while text:
        head, text = cut(text, room)
        if head.strip():
            found.append(head)
    return found or [""]


def open_code(text: str, *, in_code: bool = False) -> bool:
    """Tell whether a code block is open at the end of `text`."""
    fences = len(re.findall(r"^```", text, re.MULTILINE))
    return (fences % 2 == 1) is not in_code


def _place(text: str, room: int) -> int:
    for pattern in _PLACES:
        ends = [found.end() for found in pattern.finditer(text, 0, room) if found.start() > 0]
        if ends and ends[-1] >= room * _LEAST:
            return ends[-1]
    return room
