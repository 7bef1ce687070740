"""The exact text that the model reads. Training data is written in the same formats; keep them equal.

What never changes comes first (instructions, actions), then the history, then the passages inside the last
user message, so that the engine's prefix cache keeps hitting across turns.
"""

import re
from collections.abc import Sequence

import orjson

from actions import Offered, guided
from actions.json_value import JsonObject
from core.marks import unmarked
from retrieval import Passage
from retrieval.records import title_path
from server.engine_port import FunctionCall, Message, ToolCall
from server.turn.message import ChatMessage

_LINE_START = r"(?:^|(?<=[\r\v\f\x1c-\x1e\x85\u2028\u2029]))"
_OUR_HEADING = re.compile(_LINE_START + r"(?=# (?:Passages|Actions|Result of|The user's wishes)\b)", re.MULTILINE)
_WISHES = "# The user's wishes\nThe user asks for this; follow it where the text above allows."
_PASSAGES_END = "Use the passages where they help and mark what you take from them with [n]."
_NOTHING = "# Passages\nNothing was found."


def theirs(text: str) -> str:
    """Return a text from outside so that no line of it passes for a part that the server writes."""
    return _OUR_HEADING.sub("> ", unmarked(text))


def system_text(
    instructions: str, operations: Sequence[Offered], wishes: Sequence[str], notes: Sequence[str] = ()
) -> str:
    """Return the system message.

    Args:
        instructions: the persona's.
        operations: the actions that it may call.
        wishes: the client's own system messages. Each line is quoted, so that none can pose as ours.
        notes: sentences about actions that are away.

    Without instructions, as where an adapter answers that no persona has, the client's messages are all there is.
    """
    if not instructions.strip() and not operations:
        return "\n\n".join(unmarked(wish) for wish in wishes)
    parts = [instructions.strip()]
    if operations:
        parts.append(guided.catalogue(operations))
    if notes:
        parts.append("\n".join(notes))
    if wishes:
        quoted = [f"> {line}" for wish in wishes for line in unmarked(wish).splitlines() or [""]]
        parts.append(_WISHES + "\n" + "\n".join(quoted))
    return "\n\n".join(parts)


def with_passages(question: str, passages: Sequence[Passage]) -> str:
    """Return the last user message with its passages, or with the word that nothing was found."""
    if not passages:
        return f"{question}\n\n{_NOTHING}"
    blocks = [
        f"[{number}] {unmarked(heading_of(passage))}\n{theirs(passage.text)}"
        for number, passage in enumerate(passages, start=1)
    ]
    return f"{question}\n\n# Passages\n" + "\n\n".join([*blocks, _PASSAGES_END])


def heading_of(passage: Passage) -> str:
    """Return where a passage stands: the document's title, the headings above it, and its page if there is one."""
    headings = title_path(passage.title, passage.heading)
    return f"{headings}, {passage.place}" if passage.place else headings


def history(messages: Sequence[ChatMessage]) -> list[Message]:
    """Return the conversation without system messages, in the engine's shape."""
    told: list[Message] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        entry = Message(role=message.role, content=theirs(message.text))
        if message.tool_calls:
            entry["tool_calls"] = [
                ToolCall(
                    id=call.id,
                    type="function",
                    function=FunctionCall(name=call.function.name, arguments=_plain(call.function.arguments)),
                )
                for call in message.tool_calls
            ]
        if message.tool_call_id is not None:
            entry["tool_call_id"] = message.tool_call_id
        told.append(entry)
    return told


def _plain(arguments: str) -> str:
    """Return a call's arguments without marks, also those that are written with JSON's escapes."""
    if "\\u" in arguments:
        try:
            arguments = orjson.dumps(orjson.loads(arguments)).decode()
        except orjson.JSONDecodeError:
            arguments = arguments.replace("\\", "\\\\")
    return unmarked(arguments)


def decision(names: Sequence[str]) -> Message:
    """Return the question which action is needed."""
    return Message(role="user", content=guided.decision_prompt(names))


def arguments_request(name: str) -> list[Message]:
    """Return the model's decision and the request for the arguments."""
    return [
        Message(role="assistant", content=name),
        Message(role="user", content=guided.arguments_prompt(name)),
    ]


def correction(name: str, wrong: str, problem: str) -> list[Message]:
    """Return the model's wrong arguments and what is wrong with them."""
    return [
        Message(role="assistant", content=wrong),
        Message(role="user", content=guided.correction_prompt(name, problem)),
    ]


def call_result(name: str, arguments: JsonObject, result: str) -> list[Message]:
    """Return a call and its result, with the request to answer."""
    return [
        Message(role="assistant", content=guided.call_text(name, arguments)),
        Message(role="user", content=guided.result_prompt(name, result)),
    ]
