"""A row of OpenAI's supervised format: a conversation whose assistant messages are learnt.

The codes of the first findings are those of OpenAI's data preparation notebook (openai-cookbook,
`Chat_finetuning_data_prep`).
"""

from adapters.datasets.example import Example, JsonValue, Message
from adapters.datasets.messages import check_messages
from adapters.datasets.row import Row
from adapters.datasets.tools import check_tools


def check_chat(row: Row, value: dict[str, JsonValue]) -> Example | None:
    """Return the example, or None where it has a fault; what is found goes to `row`."""
    about = row.about(value, {"messages"})
    raw = value.get("messages")
    if not isinstance(raw, list) or not raw:
        row.error("messages", "missing_messages_list", "There is no list of messages.")
        return None
    schemas, tools = check_tools(row, "tools", value.get("tools"))
    messages = check_messages(row, "messages", raw, schemas)
    if messages is None:
        return None
    _check_answers(row, messages)
    _check_company(row, "messages", messages)
    return None if row.faulty else Example(row.line, messages, tools, about)


def _check_answers(row: Row, messages: tuple[Message, ...]) -> None:
    roles = [message.role for message in messages]
    if "assistant" not in roles:
        row.error("messages", "example_missing_assistant_message", "There is no assistant message to learn.")
    elif roles[-1] != "assistant":
        where = f"messages[{len(roles) - 1}]"
        row.error(where, "last_message_not_assistant", "The last message is not the assistant's.")
    elif not any(message.learnt for message in messages):
        row.error("messages", "all_weights_zero", "Every assistant message has weight 0; nothing would be learnt.")


def _check_company(row: Row, where: str, messages: tuple[Message, ...]) -> None:
    if messages[0].role not in ("system", "developer"):
        row.warn(where, "missing_system", "There is no system message.")
    if all(message.role != "user" for message in messages):
        row.warn(where, "missing_user", "There is no user message.")
