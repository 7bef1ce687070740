"""Schemas of an OpenAPI document as plain JSON Schema: references inlined, `allOf` merged, one dialect.

Owns the rewriting; must never know operations. Recursion ends in an open schema, so that a result is
always finite. `pattern` is left out: it is written in another dialect of regular expressions, and a
hostile one could stall the server; the service itself checks it.
"""

from actions.json_value import JsonObject, JsonValue
from actions.merge import merge
from actions.pointer import look_up
from actions.text import MAX_PARAMETER_DESCRIPTION, one_line

_KEPT = frozenset(
    {"enum", "const", "format", "default"}
    | {"minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
    | {"minimum", "maximum", "multipleOf"}
)
_MAX_DEPTH = 12
_MAX_NODES = 3_000
_MAX_REPEATS = 2


class SchemaReader:
    """Rewrites schemas of one document; a fresh budget for each operation keeps a hostile one small."""

    def __init__(self, document: JsonObject, name: str) -> None:
        self._document = document
        self._name = name
        self._nodes = 0

    def read(self, schema: JsonValue) -> JsonObject:
        """Return `schema` as self-contained JSON Schema."""
        return self._read(schema, ())

    def _read(self, schema: JsonValue, trail: tuple[str, ...], depth: int = 0) -> JsonObject:
        self._nodes += 1
        if not isinstance(schema, dict):
            return {"not": {}} if schema is False else {}
        if self._nodes > _MAX_NODES or depth > _MAX_DEPTH:
            return _open(schema)
        parts = [self._own(schema, trail, depth)]
        reference = schema.get("$ref")
        if isinstance(reference, str):
            target = look_up(self._document, reference, self._name)
            if trail.count(reference) >= _MAX_REPEATS:
                parts.append(_open(target))
            else:
                parts.append(self._read(target, (*trail, reference), depth + 1))
        members = schema.get("allOf")
        if isinstance(members, list):
            parts.extend(self._read(member, trail, depth + 1) for member in members)
        result = parts[0]
        for part in parts[1:]:
            result = merge(result, part)
        return _nullable(result) if schema.get("nullable") is True else result

    def _own(self, schema: JsonObject, trail: tuple[str, ...], depth: int) -> JsonObject:
        result: JsonObject = {key: value for key, value in schema.items() if key in _KEPT}
        if isinstance(schema.get("type"), str | list):
            result["type"] = schema["type"]
        _bounds(schema, result)
        description = schema.get("description")
        if isinstance(description, str) and description.strip():
            result["description"] = one_line(description, MAX_PARAMETER_DESCRIPTION)
        for key in ("anyOf", "oneOf", "prefixItems"):
            members = schema.get(key)
            if isinstance(members, list) and members:
                result[key] = [self._read(member, trail, depth + 1) for member in members]
        for key in ("items", "not", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                result[key] = self._read(schema[key], trail, depth + 1)
        if isinstance(schema.get("additionalProperties"), bool):
            result["additionalProperties"] = schema["additionalProperties"]
        self._properties(schema, result, trail, depth)
        return result

    def _properties(self, schema: JsonObject, result: JsonObject, trail: tuple[str, ...], depth: int) -> None:
        properties = schema.get("properties")
        read_only: set[str] = set()
        if isinstance(properties, dict):
            result.setdefault("type", "object")
            read_only = {name for name, value in properties.items() if _is_read_only(value)}
            result["properties"] = {
                name: self._read(value, trail, depth + 1)
                for name, value in properties.items()
                if name not in read_only
            }
        required = schema.get("required")
        if isinstance(required, list):
            names: list[JsonValue] = [name for name in required if name not in read_only]
            if names:
                result["required"] = names


def _is_read_only(schema: JsonValue) -> bool:
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _open(schema: JsonValue) -> JsonObject:
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind is None and isinstance(schema, dict) and "properties" in schema:
        kind = "object"
    return {} if kind is None else {"type": kind}


def _bounds(schema: JsonObject, result: JsonObject) -> None:
    """Carry exclusive bounds over; OpenAPI 3.0 writes them as a flag beside the bound."""
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = schema.get(flag)
        if value is True and bound in result:
            result[flag] = result.pop(bound)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            result[flag] = value


def _nullable(schema: JsonObject) -> JsonObject:
    kind = schema.get("type")
    if isinstance(kind, str) and "const" not in schema:
        result: JsonObject = {**schema, "type": [kind, "null"]}
        values = schema.get("enum")
        if isinstance(values, list) and None not in values:
            result["enum"] = [*values, None]
        return result
    if isinstance(kind, list) or not schema:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}
