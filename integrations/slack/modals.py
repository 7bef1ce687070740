"""Windows that open on a click: what a call does, why an answer was bad, a question about a message. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from integrations.slack.mrkdwn import escaped
from integrations.slack.workspace import Answer

REASON, ASK = "feedback_reason", "ask_about"
_BLOCK, _FIELD = "words", "text"
_PIECE, _PIECES = 2_800, 20
_MOST_TITLE = 24


def arguments_view(approval: Mapping[str, Any]) -> Answer:
    """Return the window that shows what a call does, whole."""
    text = escaped(json.dumps(approval["arguments"], indent=2, ensure_ascii=False))
    pieces = [text[begin : begin + _PIECE] for begin in range(0, len(text), _PIECE)][:_PIECES]
    shown = [_section(f"*{escaped(str(approval['operation']))}*\n{escaped(str(approval['effect']))}")]
    shown += [_section(f"```{piece}```") for piece in pieces]
    return {"type": "modal", "title": _plain("A call that waits"), "close": _plain("Close"), "blocks": shown}


def reason_view(metadata: str) -> Answer:
    """Return the window that asks why an answer was bad."""
    return _asking(REASON, "What was wrong?", "What should the answer have been?", metadata)


def reason_of(view: Mapping[str, Any]) -> str:
    """Return what was written into a window."""
    value = view["state"]["values"][_BLOCK][_FIELD].get("value")
    return str(value or "").strip()


def ask_view(metadata: str) -> Answer:
    """Return the window that asks for a question about a message."""
    return _asking(ASK, "Ask about this message", "Your question", metadata)


def _asking(callback: str, title: str, label: str, metadata: str) -> Answer:
    field = {"type": "plain_text_input", "action_id": _FIELD, "multiline": True, "max_length": 2_900}
    words = {"type": "input", "block_id": _BLOCK, "label": _plain(label), "element": field}
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": metadata,
        "title": _plain(title[:_MOST_TITLE]),
        "submit": _plain("Send"),
        "close": _plain("Cancel"),
        "blocks": [words],
    }


def _section(text: str) -> Answer:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:3_000]}}


def _plain(text: str) -> Answer:
    return {"type": "plain_text", "text": text}
