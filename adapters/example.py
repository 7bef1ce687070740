"""One training example: its shape, and every rule that it must keep.

The codes of the first seven rules are those of OpenAI's data preparation notebook. Must never know files.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypedDict

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]

_ROLES = ("system", "developer", "user", "assistant", "tool")
_MESSAGE_KEYS = {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "refusal"}
_EXAMPLE_KEYS = {"messages", "tools", "parallel_tool_calls", "id", "group", "label", "metadata"}
_CONTROL_TOKEN = re.compile(r"<\|(?:im_start|im_end|endoftext|fim_prefix|fim_middle|fim_suffix)\|>")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Severity(StrEnum):
    """Whether a finding forbids training."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault or a doubt about one line.

    Attributes:
        line: line of the file, from 1.
        field: path of the field, such as `messages[2].content`; empty for the whole line.
        code: a stable word for programs.
        message: one sentence.
        severity: whether it forbids training.
    """

    line: int
    field: str
    code: str
    message: str
    severity: Severity

    @classmethod
    def error(cls, line: int, where: str, code: str, message: str) -> "Finding":
        """Make a finding that forbids training."""
        return cls(line, where, code, message, Severity.ERROR)

    @classmethod
    def warning(cls, line: int, where: str, code: str, message: str) -> "Finding":
        """Make a finding that does not."""
        return cls(line, where, code, message, Severity.WARNING)

    def __str__(self) -> str:
        return f"{self.line}: {self.field + ': ' if self.field else ''}{self.message} ({self.code})"


class FunctionCall(TypedDict):
    """The function that an assistant calls; arguments are parsed, as the engine does before it renders."""

    name: str
    arguments: dict[str, JsonValue]


class ToolCall(TypedDict):
    """One call of an assistant."""

    id: str
    type: str
    function: FunctionCall


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `learnt` is false where the data says `weight: 0` or where another speaks."""

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    learnt: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation to learn from, and the tools that it knew."""

    line: int
    messages: tuple[Message, ...]
    tools: tuple[dict[str, JsonValue], ...] = ()

    @property
    def system(self) -> str | None:
        """The system prompt, if there is one."""
        first = self.messages[0]
        return first.content if first.role in ("system", "developer") else None


def check_example(line: int, value: JsonValue) -> tuple[Example | None, list[Finding]]:
    """Return the example, or None where it has a fault, and all findings about it."""
    checker = _Checker(line)
    example = checker.example(value)
    faulty = any(found.severity is Severity.ERROR for found in checker.findings)
    return (None if faulty else example), checker.findings


@dataclass
class _Checker:
    line: int
    findings: list[Finding] = field(default_factory=list)

    def error(self, where: str, code: str, message: str) -> None:
        self.findings.append(Finding.error(self.line, where, code, message))

    def warn(self, where: str, code: str, message: str) -> None:
        self.findings.append(Finding.warning(self.line, where, code, message))

    def example(self, value: JsonValue) -> Example | None:
        if not isinstance(value, dict):
            self.error("", "data_type", "The line is not a JSON object.")
            return None
        for key in sorted(value.keys() - _EXAMPLE_KEYS):
            self.warn(key, "unrecognized_key", f"The key {key!r} is unknown and ignored.")
        raw = value.get("messages")
        if not isinstance(raw, list) or not raw:
            self.error("messages", "missing_messages_list", "There is no list of messages.")
            return None
        schemas, tools = self.tools(value.get("tools"))
        messages = [self.message(f"messages[{place}]", item, schemas) for place, item in enumerate(raw)]
        complete = tuple(message for message in messages if message is not None)
        if len(complete) < len(messages):
            return None
        self.order(raw, complete)
        return Example(self.line, complete, tools)

    def tools(self, value: JsonValue) -> tuple[dict[str, JsonValue], tuple[dict[str, JsonValue], ...]]:
        schemas: dict[str, JsonValue] = {}
        kept: list[dict[str, JsonValue]] = []
        if value is not None and not isinstance(value, list):
            self.error("tools", "tools_invalid", "`tools` is not a list.")
            return {}, ()
        for place, tool in enumerate(value or []):
            function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
            name = function.get("name") if isinstance(function, dict) else None
            if not isinstance(tool, dict) or not isinstance(function, dict) or not isinstance(name, str):
                self.error(f"tools[{place}]", "tools_invalid", 'A tool is {"type": "function", "function": {…}}.')
                continue
            if not _TOOL_NAME.fullmatch(name) or name in schemas:
                self.error(f"tools[{place}].function.name", "tools_invalid", f"The name {name!r} is bad or taken.")
            schemas[name] = self.schema(f"tools[{place}].function.parameters", function.get("parameters"))
            kept.append(tool)
        return schemas, tuple(kept)

    def schema(self, where: str, value: JsonValue) -> JsonValue:
        if value is None:
            return {}
        try:
            Draft202012Validator.check_schema(value)  # type: ignore[arg-type]  # any JSON is allowed to fail here
        except SchemaError as error:
            self.error(where, "tools_invalid", f"Not a JSON Schema: {error.message}")
            return {}
        return value

    def message(self, where: str, value: JsonValue, schemas: dict[str, JsonValue]) -> Message | None:
        if not isinstance(value, dict):
            self.error(where, "data_type", "The message is not an object.")
            return None
        for key in sorted(value.keys() - _MESSAGE_KEYS):
            self.error(f"{where}.{key}", "message_unrecognized_key", f"A message has no key {key!r}.")
        role = value.get("role")
        if "role" not in value or ("content" not in value and "tool_calls" not in value):
            self.error(where, "message_missing_key", "A message needs `role` and `content`.")
            return None
        if not isinstance(role, str) or role not in _ROLES:
            self.error(f"{where}.role", "unrecognized_role", f"The role {role!r} is none of {', '.join(_ROLES)}.")
            return None
        calls = self.calls(f"{where}.tool_calls", value.get("tool_calls"), role, schemas)
        content = self.content(f"{where}.content", value.get("content"), bool(calls))
        if role == "assistant" and content != content.lstrip():
            self.warn(f"{where}.content", "leading_space", "The answer starts with white space.")
        return Message(role, content, calls, role == "assistant" and self.weight(where, value) != 0)

    def weight(self, where: str, value: dict[str, JsonValue]) -> int:
        weight = value.get("weight", 1)
        if weight is None or weight is True or weight is False or weight not in (0, 1):
            self.error(f"{where}.weight", "weight_invalid", "`weight` is 0 or 1.")
            return 1
        return 0 if weight == 0 else 1

    def content(self, where: str, value: JsonValue, has_calls: bool) -> str:
        if isinstance(value, list):
            texts = [
                part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
                for part in value
            ]
            if any(not isinstance(text, str) for text in texts):
                self.error(where, "content_part_unsupported", "Only text parts can be trained on.")
            value = "\n".join(text for text in texts if isinstance(text, str))
        if value is None and has_calls:
            return ""
        if not isinstance(value, str) or (not value.strip() and not has_calls):
            self.error(where, "missing_content", "There is neither text nor a call.")
            return ""
        if "\x00" in value:
            self.error(where, "nul_character", "The text holds a NUL character.")
        if found := _CONTROL_TOKEN.search(value):
            self.error(where, "control_token", f"The text holds the control token {found.group()!r}. Take it out.")
        return value

    def calls(
        self, where: str, value: JsonValue, role: str, schemas: dict[str, JsonValue]
    ) -> tuple[ToolCall, ...]:
        if value is None or value == []:
            return ()
        if role != "assistant" or not isinstance(value, list):
            self.error(where, "tool_calls_invalid", "Only an assistant has a list of calls.")
            return ()
        made = [self.call(f"{where}[{place}]", item, schemas) for place, item in enumerate(value)]
        return tuple(call for call in made if call is not None)

    def call(self, where: str, value: JsonValue, schemas: dict[str, JsonValue]) -> ToolCall | None:
        function = value.get("function") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(function, dict):
            self.error(where, "tool_calls_invalid", 'A call is {"id", "type": "function", "function": {…}}.')
            return None
        identity, name, arguments = value.get("id"), function.get("name"), function.get("arguments", "{}")
        if not isinstance(identity, str) or not isinstance(name, str):
            self.error(where, "tool_calls_invalid", "A call needs an `id` and a function `name`.")
            return None
        if name not in schemas:
            self.error(f"{where}.function.name", "unknown_tool", f"The example has no tool {name!r} in `tools`.")
        parsed = self.arguments(f"{where}.function.arguments", arguments, schemas.get(name, {}))
        return {"id": identity, "type": "function", "function": {"name": name, "arguments": parsed}}

    def arguments(self, where: str, value: JsonValue, schema: JsonValue) -> dict[str, JsonValue]:
        try:
            parsed = json.loads(value) if isinstance(value, str) else None
        except json.JSONDecodeError:
            parsed = None
        if not isinstance(parsed, dict):
            self.error(where, "arguments_not_json", "The arguments are not a string that holds a JSON object.")
            return {}
        for problem in Draft202012Validator(schema).iter_errors(parsed):  # type: ignore[arg-type]  # checked above
            self.error(where, "arguments_do_not_fit", f"{problem.json_path}: {problem.message}")
        return parsed

    def order(self, raw: list[JsonValue], messages: tuple[Message, ...]) -> None:
        _check_order(self.error, raw, messages)
        if messages[0].role not in ("system", "developer"):
            self.warn("messages", "missing_system", "There is no system message.")
        if all(message.role != "user" for message in messages):
            self.warn("messages", "missing_user", "There is no user message.")


def _check_order(
    error: Callable[[str, str, str], None], raw: list[JsonValue], messages: tuple[Message, ...]
) -> None:
    roles = [message.role for message in messages]
    if "assistant" not in roles:
        error("messages", "example_missing_assistant_message", "There is no assistant message to learn.")
    elif roles[-1] != "assistant":
        error(
            f"messages[{len(roles) - 1}]",
            "last_message_not_assistant",
            "The last message is not the assistant's.",
        )
    elif not any(message.learnt for message in messages):
        error("messages", "all_weights_zero", "Every assistant message has weight 0; nothing would be learnt.")
    open_calls: list[str] = []
    previous = ""
    for place, (message, item) in enumerate(zip(messages, raw, strict=True)):
        where = f"messages[{place}]"
        if message.role in ("system", "developer") and place:
            error(where, "system_not_first", "A system message stands only at the start.")
        if message.role == previous == "assistant":  # two of the user may: guided calling asks after the question
            error(where, "roles_not_alternating", "Two messages of the assistant follow each other.")
        if message.role == "tool":
            answered = item.get("tool_call_id") if isinstance(item, dict) else None
            if answered in open_calls:
                open_calls.remove(str(answered))
            else:
                error(f"{where}.tool_call_id", "unknown_tool_call", f"No open call has the id {answered!r}.")
        elif open_calls:
            error(
                where,
                "unanswered_tool_call",
                f"The call {open_calls[0]!r} has no result before this message.",
            )
            open_calls = []
        open_calls.extend(call["id"] for call in message.tool_calls)
        previous = message.role
