"""Tools that an example knew, and calls of them: definitions, names, and arguments against their JSON Schema.

A schema is somebody else's: it is never fetched from anywhere, and none that refers to itself without end, or
holds a pattern that cannot be read, ends more than its own row.
"""

import re
from collections.abc import Mapping
from itertools import islice

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from adapters.datasets.example import JsonValue, ToolCall
from adapters.datasets.lines import JsonRefused, read_json
from adapters.datasets.row import Row
from adapters.datasets.text import check_texts

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SHOWN_MISFITS = 5
_SHOWN = 200
_NOWHERE: Registry[JsonValue] = Registry()  # holds nothing and fetches nothing
_UNREADABLE = (OverflowError, TypeError, ValueError, RecursionError, re.error)
"""What jsonschema and the libraries below it raise about schemas that they were not written for."""
_WHY = "it has no end, a reference to no schema, or a pattern or a number that is too large."
Schemas = Mapping[str, JsonValue]


def check_tools(
    row: Row, where: str, value: JsonValue
) -> tuple[dict[str, JsonValue], tuple[dict[str, JsonValue], ...]]:
    """Return schema by name, and the definitions as they stand."""
    schemas: dict[str, JsonValue] = {}
    kept: list[dict[str, JsonValue]] = []
    if value is not None and not isinstance(value, list):
        row.error(where, "tools_invalid", "`tools` is not a list.")
        return {}, ()
    for place, tool in enumerate(value or []):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(tool, dict) or not isinstance(function, dict) or not isinstance(name, str):
            row.error(f"{where}[{place}]", "tools_invalid", 'A tool is {"type": "function", "function": {…}}.')
            continue
        if not _TOOL_NAME.fullmatch(name) or name in schemas:
            message = f"The name {name[:64]!r} is bad or taken."
            row.error(f"{where}[{place}].function.name", "tools_invalid", message)
        parameters = f"{where}[{place}].function.parameters"
        schemas[name] = _schema(row, parameters, function.get("parameters"))
        kept.append(tool)
    return schemas, tuple(kept)


def check_calls(row: Row, where: str, value: JsonValue, role: str, schemas: Schemas) -> tuple[ToolCall, ...]:
    """Return the calls of one message, their arguments parsed."""
    if value is None or value == []:
        return ()
    if role != "assistant" or not isinstance(value, list):
        row.error(where, "tool_calls_invalid", "Only an assistant has a list of calls.")
        return ()
    made = [_call(row, f"{where}[{place}]", item, schemas) for place, item in enumerate(value)]
    return tuple(call for call in made if call is not None)


def _schema(row: Row, where: str, value: JsonValue) -> JsonValue:
    if value is None:
        return {}
    try:
        Draft202012Validator.check_schema(value)  # type: ignore[arg-type]  # any JSON is allowed to fail here
    except SchemaError as error:
        row.error(where, "tools_invalid", f"Not a JSON Schema: {error.message[:_SHOWN]}")
        return {}
    except _UNREADABLE:
        row.error(where, "tools_invalid", f"Not a JSON Schema that can be read: {_WHY}")
        return {}
    return value


def _call(row: Row, where: str, value: JsonValue, schemas: Schemas) -> ToolCall | None:
    function = value.get("function") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(function, dict):
        row.error(where, "tool_calls_invalid", 'A call is {"id", "type": "function", "function": {…}}.')
        return None
    identity, name, arguments = value.get("id"), function.get("name"), function.get("arguments", "{}")
    if not isinstance(identity, str | None) or not isinstance(name, str):
        row.error(where, "tool_calls_invalid", "A call needs a function `name`, and its `id` is a text.")
        return None
    if identity is None:
        row.warn(where, "tool_call_without_id", "The call has no `id`, so that no result can name it.")
        identity = where  # any text that no other call of the example has
    if name not in schemas:
        row.error(f"{where}.function.name", "unknown_tool", f"The example has no tool {name[:64]!r} in `tools`.")
    parsed = _arguments(row, f"{where}.function.arguments", arguments, schemas.get(name, {}))
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": parsed}}


def _arguments(row: Row, where: str, value: JsonValue, schema: JsonValue) -> dict[str, JsonValue]:
    try:
        parsed = read_json(value) if isinstance(value, str) else None
    except JsonRefused as refused:
        code = "arguments_not_json" if refused.code == "invalid_json" else refused.code
        row.error(where, code, f"The arguments are not a text that holds a JSON object: {refused.message}")
        return {}
    if not isinstance(parsed, dict):
        row.error(where, "arguments_not_json", "The arguments are not a text that holds a JSON object.")
        return {}
    check_texts(row, where, parsed)
    try:
        validator = Draft202012Validator(schema, registry=_NOWHERE)  # type: ignore[arg-type]  # checked above
        for problem in islice(validator.iter_errors(parsed), _SHOWN_MISFITS):
            row.error(where, "arguments_do_not_fit", f"{problem.json_path}: {problem.message[:_SHOWN]}")
    except Unresolvable as error:
        message = f"The tool's schema refers to {error.ref[:_SHOWN]!r}, which does not stand in it."
        row.error(where, "tools_invalid", message)
    except _UNREADABLE:
        row.error(where, "tools_invalid", f"The tool's schema cannot be held against the arguments: {_WHY}")
    return parsed
