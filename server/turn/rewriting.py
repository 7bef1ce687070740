"""The base model's own wording of a follow-up, where the persona asks for one.

One short call within a bounded time; without a usable answer the query stays as the history makes it. Knows how to
ask, never what is searched.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

import anyio

from core.errors import RepertoryError
from server.engine_port import Engine, Message
from server.turn.query import Query, Rewrite, leant_on
from server.turn.record import TurnRecord

_LOG = logging.getLogger(__name__)
REWRITE_SECONDS = 3.0
"""Longest wait for the model's wording."""

_TOKENS = 48
_LONGEST = 400
_INSTRUCTIONS = (
    "Rewrite the user's last question so that it can be understood without the earlier ones. Keep its language, "
    "names and numbers. Write the question alone; do not answer it."
)


async def with_model(
    query: Query, questions: Sequence[str], engine: Engine, record: TurnRecord, salt: str | None
) -> Query:
    """Return the query with the base model's wording in place of the joined history.

    Args:
        query: as the history makes it; one that stands by itself comes back as it is.
        questions: the user's messages, the oldest first.
        engine: whose base model is asked, whatever adapter the persona has.
        record: of the turn; the call and its tokens count.
        salt: keeps the prompt apart from other access groups'.
    """
    if query.rewrite is Rewrite.NONE:
        return query
    payload: dict[str, object] = {"messages": _messages(questions), "max_tokens": _TOKENS, "temperature": 0.0}
    if salt is not None:
        payload["cache_salt"] = salt
    record.engine_asked()
    try:
        with anyio.fail_after(REWRITE_SECONDS):
            completion = await engine.chat(engine.base_model, payload)
    except (TimeoutError, RepertoryError) as error:
        _LOG.info("a question is searched for with its history: %s", type(error).__name__)
        return query
    record.engine_answers()
    record.usage.add(completion.get("usage"))
    wording = _usable(completion["choices"][0].get("message", Message()).get("content") or "")
    return replace(query, rewrite=Rewrite.MODEL, fuller=wording) if wording else query


def _messages(questions: Sequence[str]) -> list[Message]:
    earlier = "\n".join(f"- {question}" for question in leant_on(questions))
    asked = f"Earlier questions:\n{earlier}\n\nLast question: {questions[-1][-_LONGEST:]}"
    return [Message(role="system", content=_INSTRUCTIONS), Message(role="user", content=asked)]


def _usable(answer: str) -> str:
    """Return the wording in an answer; empty if there is none."""
    lines = [line.strip().strip('"') for line in answer.splitlines() if line.strip()]
    return lines[0] if lines and len(lines[0]) <= _LONGEST else ""
