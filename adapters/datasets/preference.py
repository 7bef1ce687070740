"""A row of OpenAI's preference format (DPO): an input, the answer to prefer, and the one to avoid."""

from adapters.datasets.example import Example, JsonValue, Message
from adapters.datasets.messages import check_messages
from adapters.datasets.row import Row
from adapters.datasets.tools import Schemas, check_tools

KEYS = {"input", "preferred_output", "non_preferred_output"}


def check_preference(row: Row, value: dict[str, JsonValue]) -> Example | None:
    """Return the pair, or None where it has a fault; what is found goes to `row`."""
    about = row.about(value, KEYS)
    given = value.get("input")
    raw = given.get("messages") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(raw, list) or not raw:
        row.error("input", "missing_input", "There is no `input` with a list of messages.")
        return None
    schemas, tools = check_tools(row, "input.tools", given.get("tools"))
    messages = check_messages(row, "input.messages", raw, schemas)
    preferred = _output(row, "preferred_output", value, schemas)
    rejected = _output(row, "non_preferred_output", value, schemas)
    if messages is None or preferred is None or rejected is None:
        return None
    if messages[-1].role == "assistant":
        where = f"input.messages[{len(messages) - 1}]"
        row.error(where, "input_ends_with_assistant", "The input ends with an answer already.")
    if preferred == rejected:
        row.error("non_preferred_output", "outputs_equal", "The two answers are the same; nothing is to prefer.")
    if messages[0].role not in ("system", "developer"):
        row.warn("input.messages", "missing_system", "There is no system message.")
    return None if row.faulty else Example(row.line, (*messages, preferred), tools, about, (rejected,))


def _output(row: Row, key: str, value: dict[str, JsonValue], schemas: Schemas) -> Message | None:
    raw = value.get(key)
    first = raw[0] if isinstance(raw, list) and len(raw) == 1 else None
    if not isinstance(raw, list) or not isinstance(first, dict) or first.get("role") != "assistant":
        row.error(key, "missing_output", f"`{key}` is no list with one message of the assistant.")
        return None
    messages = check_messages(row, key, raw, schemas)
    return None if messages is None else messages[0]
