"""Shortening and fencing of text that comes from documents and services and goes to a model."""

import re

from core.marks import unmarked

MAX_DESCRIPTION = 300
MAX_PARAMETER_DESCRIPTION = 700
MAX_CHARACTERS = 100_000
_CUT_NOTE = "\n[cut: the answer is longer]"


def one_line(text: str, limit: int) -> str:
    """Join `text` into one line of at most `limit` characters, cut between words; break chat-template marks."""
    line = " ".join(unmarked(text).split())
    if len(line) <= limit:
        return line
    head = line[: limit - 1]
    return f"{head.rsplit(' ', 1)[0] if ' ' in head else head}…"


def cut(text: str, limit: int) -> str:
    """Keep at most `limit` characters, saying so where text was cut."""
    if len(text) <= limit:
        return text
    return text[: max(0, limit - len(_CUT_NOTE))] + _CUT_NOTE[:limit]


def fence(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Mark `text` as data from outside, so that it cannot end its own fence or open a chat turn.

    The fence is a pair of `<data>` tags. Inside, further such tags and the marks of chat templates (`<|…|>`,
    `</tool_response>`, …) are broken by a space; everything else stays as it came.
    """
    inner = re.sub(r"<(?=\s*(?:/\s*)?data\b)", "< ", unmarked(cut(text, limit)), flags=re.IGNORECASE)
    inner = inner.replace("<|", "< |").replace("|>", "| >")
    return f"<data>\n{inner}\n</data>"
