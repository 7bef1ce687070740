"""Blocks under an answer: sources, calls that wait for a person, feedback, handing over. Pure.

What a button must know stands in its value, which only Slack can send back: it is part of a signed request.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from integrations.slack.mrkdwn import escaped
from integrations.slack.workspace import Answer

APPROVE, DENY, SHOW = "approval_approve", "approval_deny", "approval_show"
FEEDBACK, HAND_OVER = "feedback", "hand_over"
_SHOWN_SOURCES = 8
_SHOWN_ARGUMENTS = 600


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a button is about.

    Attributes:
        answer: the server's id of the answer.
        asker: Slack's id of who asked.
        thread: ts of the thread's first message.
        approval: the call that waits, where there is one.
    """

    answer: str
    persona: str
    asker: str
    thread: str
    approval: str = ""

    def value(self, **more: str) -> str:
        """Return it as the value of a button."""
        return json.dumps({name: word for name, word in asdict(self).items() if word} | more)

    @classmethod
    def read(cls, value: str) -> tuple["Ticket", Mapping[str, str]]:
        """Return a ticket from a button's value, and what else stands there."""
        words = json.loads(value)
        names = cls.__dataclass_fields__
        return cls(**{name: words.pop(name, "") for name in names}), words


def sources(cited: Sequence[Mapping[str, object]]) -> list[Answer]:
    """Return the documents that an answer cites, in one line."""
    if not cited:
        return []
    named = [f"[{one['number']}] <{one['url']}|{_label(str(one['title']))}>" for one in cited[:_SHOWN_SOURCES]]
    text = "Sources: " + "  ·  ".join(named)
    return [{"type": "context", "elements": [{"type": "mrkdwn", "text": text[:3_000]}]}]


def waiting_call(operation: str, arguments: str, ticket: Ticket) -> list[Answer]:
    """Return a call that waits for a person, with buttons to decide on it."""
    shown = arguments if len(arguments) <= _SHOWN_ARGUMENTS else f"{arguments[:_SHOWN_ARGUMENTS]}…"
    text = f"*{escaped(operation)}* waits for a decision.\n```{escaped(shown)}```"
    return [
        {"type": "section", "block_id": f"call-{ticket.approval}", "text": {"type": "mrkdwn", "text": text}},
        {
            "type": "actions",
            "block_id": f"decide-{ticket.approval}",
            "elements": [
                _button("Approve", APPROVE, ticket.value(), "primary"),
                _button("Deny", DENY, ticket.value(), "danger"),
                _button("Show arguments", SHOW, ticket.value()),
            ],
        },
    ]


def decided_call(blocks: Sequence[Answer], approval: str, words: str) -> list[Answer]:
    """Return the blocks of a message with the buttons of a call replaced by what was decided."""
    told = {"type": "context", "elements": [{"type": "mrkdwn", "text": words}]}
    return [told if one.get("block_id") == f"decide-{approval}" else one for one in blocks]


def footer(ticket: Ticket, *, hand_over: bool) -> list[Answer]:
    """Return what every answer ends with: whether it was good, and a person instead."""
    rating = {
        "type": "feedback_buttons",
        "action_id": FEEDBACK,
        "positive_button": {"text": _plain("Good answer"), "value": ticket.value(rating="good")},
        "negative_button": {"text": _plain("Bad answer"), "value": ticket.value(rating="bad")},
    }
    blocks: list[Answer] = [{"type": "context_actions", "elements": [rating]}]
    if hand_over:
        blocks.append({"type": "actions", "elements": [_button("Ask a person", HAND_OVER, ticket.value())]})
    return blocks


def task(identity: str, title: str, status: str, **more: object) -> Answer:
    """Return a step of the answer as a task card."""
    return {"type": "task_update", "id": identity, "title": title[:250], "status": status, **more}


def _button(label: str, action: str, value: str, style: str | None = None) -> Answer:
    button: Answer = {"type": "button", "action_id": action, "text": _plain(label), "value": value}
    return button if style is None else button | {"style": style}


def _plain(text: str) -> Answer:
    return {"type": "plain_text", "text": text}


def _label(title: str) -> str:
    return escaped(title).replace("|", "¦").replace("\n", " ")[:150]
