"""Messages of a row: roles, contents, weights, and the order in which they may stand."""

from adapters.datasets.example import JsonValue, Message
from adapters.datasets.row import Row
from adapters.datasets.text import check_text
from adapters.datasets.tools import Schemas, check_calls

ROLES = ("system", "developer", "user", "assistant", "tool")
_KEYS = {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "refusal"}


def check_messages(row: Row, where: str, values: list[JsonValue], schemas: Schemas) -> tuple[Message, ...] | None:
    """Return the messages, or None where one is too broken to say in which order they stand."""
    messages = [_message(row, f"{where}[{place}]", value, schemas) for place, value in enumerate(values)]
    complete = tuple(message for message in messages if message is not None)
    if len(complete) < len(messages):
        return None
    _check_order(row, where, values, complete)
    return complete


def _message(row: Row, where: str, value: JsonValue, schemas: Schemas) -> Message | None:
    if not isinstance(value, dict):
        row.error(where, "data_type", "The message is not an object.")
        return None
    for key in sorted(value.keys() - _KEYS):
        row.error(f"{where}.{key[:64]}", "message_unrecognized_key", f"A message has no key {key[:64]!r}.")
    role = value.get("role")
    if "role" not in value or ("content" not in value and "tool_calls" not in value):
        row.error(where, "message_missing_key", "A message needs `role` and `content`.")
        return None
    if not isinstance(role, str) or role not in ROLES:
        row.error(
            f"{where}.role", "unrecognized_role", f"The role {str(role)[:64]!r} is none of {', '.join(ROLES)}."
        )
        return None
    calls = check_calls(row, f"{where}.tool_calls", value.get("tool_calls"), role, schemas)
    calling = bool(value.get("tool_calls"))  # also where a call is faulty: that is told already
    content = _content(row, f"{where}.content", value.get("content"), calling)
    if role == "assistant" and content != content.lstrip():
        row.warn(f"{where}.content", "leading_space", "The answer starts with white space.")
    return Message(role, content, calls, role == "assistant" and _weight(row, where, value) != 0)


def _weight(row: Row, where: str, value: dict[str, JsonValue]) -> int:
    weight = value.get("weight", 1)
    if weight is None or weight is True or weight is False or weight not in (0, 1):
        row.error(f"{where}.weight", "weight_invalid", "`weight` is 0 or 1.")
        return 1
    return 0 if weight == 0 else 1


def _content(row: Row, where: str, value: JsonValue, has_calls: bool) -> str:
    if isinstance(value, list):
        texts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in value
        ]
        if any(not isinstance(text, str) for text in texts):
            row.error(where, "content_part_unsupported", "Only text parts can be trained on.")
        value = "\n".join(text for text in texts if isinstance(text, str))
    if value is None and has_calls:
        return ""
    if not isinstance(value, str) or (not value.strip() and not has_calls):
        row.error(where, "missing_content", "There is neither text nor a call.")
        return ""
    check_text(row, where, value)
    return value


def _check_order(row: Row, where: str, values: list[JsonValue], messages: tuple[Message, ...]) -> None:
    open_calls: list[str] = []
    previous = ""
    for place, (message, value) in enumerate(zip(messages, values, strict=True)):
        here = f"{where}[{place}]"
        if message.role in ("system", "developer") and place:
            row.error(here, "system_not_first", "A system message stands only at the start.")
        if message.role == previous == "assistant":  # two of the user may: guided calling asks after the question
            row.error(here, "roles_not_alternating", "Two messages of the assistant follow each other.")
        if message.role == "tool":
            answered = value.get("tool_call_id") if isinstance(value, dict) else None
            if answered in open_calls:
                open_calls.remove(str(answered))
            else:
                message_text = f"No open call has the id {str(answered)[:64]!r}."
                row.error(f"{here}.tool_call_id", "unknown_tool_call", message_text)
        elif open_calls:
            told = f"The call {open_calls[0][:64]!r} has no result before this message."
            row.error(here, "unanswered_tool_call", told)
            open_calls = []
        open_calls.extend(call["id"] for call in message.tool_calls)
        previous = message.role
