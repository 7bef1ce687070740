"""Schemas of an OpenAPI document as plain JSON Schema: references inlined, `allOf` merged, one dialect.

Owns the rewriting; must never know operations. Where a schema refers to itself, or reaches too deep, a mark is
left, a `$ref` into the document's definitions: `closed` takes it away, so that what is decoded is finite and
small, and `strict` keeps it, so that what is checked is whole. `pattern` is left out: it is written in another
dialect of regular expressions, and a hostile one could stall the server; the service itself checks it.
"""

from dataclasses import dataclass

from actions.json_schema import schema_problem
from actions.json_value import JsonObject, JsonValue
from actions.merge import merge
from actions.pointer import look_up
from actions.text import MAX_PARAMETER_DESCRIPTION, one_line

_KEPT = frozenset(
    {"enum", "const", "format", "default", "contentMediaType", "contentEncoding"}
    | {"minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
    | {"minimum", "maximum", "multipleOf"}
)
_MAX_DEPTH = 12
_MAX_NODES = 3_000
_MAX_REPEATS = 2
_MAX_REFERENCES = 4
_LITERAL = frozenset({"enum", "const", "default", "required"})


@dataclass(frozen=True, slots=True)
class Followed:
    """What a reference led to, whole, and what reading it left in the reader."""

    schema: JsonObject
    nodes: int
    deep: tuple[str, ...]


class Definitions:
    """The schemas of one document that marks refer to, each read once: its own references are marks, too.

    Attributes:
        schemas: by the names in marks; all operations of the document share it.
        followed: what a reference of an operation led to, by the reference and how deep it stood.
    """

    def __init__(self, document: JsonObject, name: str) -> None:
        self.document = document
        self.name = name
        self.schemas: JsonObject = {}
        self.followed: dict[tuple[str, int], Followed] = {}
        self._names: dict[str, str] = {}
        self._waiting: list[str] = []

    def mark(self, reference: str) -> str:
        """Return the mark of `reference`."""
        if reference not in self._names:
            self._names[reference] = str(len(self._names))
            self._waiting.append(reference)
        return f"#/$defs/{self._names[reference]}"

    def read(self) -> JsonObject:
        """Return the schemas of all marks, reading those that were left since."""
        while self._waiting:
            reference = self._waiting.pop()
            schema = SchemaReader(self, most_references=0).read(look_up(self.document, reference, self.name))
            # What is not valid is left to the service.
            self.schemas[self._names[reference]] = schema if schema_problem(schema) is None else {}
        return self.schemas


class SchemaReader:
    """Rewrites schemas of one document; a fresh budget for each operation keeps a hostile one small.

    Attributes:
        deep: the references at which marks were left.
        is_cut: something was too deep or too large, and is left to the service.
    """

    def __init__(self, definitions: Definitions, *, most_references: int = _MAX_REFERENCES) -> None:
        self._definitions = definitions
        self._most_references = most_references
        self._nodes = 0
        self.deep: dict[str, None] = {}
        self.is_cut = False

    def definitions(self) -> JsonObject:
        """Return the schemas that marks refer to, those of other operations, too; empty without a mark."""
        return self._definitions.read() if self.deep else {}

    def read(self, schema: JsonValue) -> JsonObject:
        """Return `schema` as self-contained JSON Schema."""
        return self._read(schema, ())

    def _read(self, schema: JsonValue, trail: tuple[str, ...], depth: int = 0) -> JsonObject:
        self._nodes += 1
        if not isinstance(schema, dict):
            return {"not": {}} if schema is False else {}
        if self._nodes > _MAX_NODES or depth > _MAX_DEPTH:
            self.is_cut = True
            return _open(schema)
        parts = [self._own(schema, trail, depth)]
        reference = schema.get("$ref")
        if isinstance(reference, str):
            target = look_up(self._definitions.document, reference, self._definitions.name)
            if len(trail) >= self._most_references or trail.count(reference) >= _MAX_REPEATS:
                parts.append({**_open(target), "$ref": self._mark(reference)})
            elif trail:
                parts.append(self._read(target, (*trail, reference), depth + 1))
            else:
                parts.append(self._follow(reference, target, depth))
        members = schema.get("allOf")
        if isinstance(members, list):
            parts.extend(self._read(member, trail, depth + 1) for member in members)
        result = parts[0]
        for part in parts[1:]:
            result = merge(result, part)
        return _nullable(result) if schema.get("nullable") is True else result

    def _follow(self, reference: str, target: JsonValue, depth: int) -> JsonObject:
        """Read what an operation refers to; most of its neighbours refer to the same."""
        key = reference, depth
        known = self._definitions.followed.get(key)
        if known is None or self._nodes + known.nodes > _MAX_NODES:
            reader = SchemaReader(self._definitions, most_references=self._most_references)
            reader._nodes = self._nodes
            schema = reader._read(target, (reference,), depth + 1)
            known = Followed(schema, reader._nodes - self._nodes, tuple(reader.deep))
            if reader.is_cut:
                self.is_cut = True
            else:
                self._definitions.followed[key] = known
        self._nodes += known.nodes
        self.deep |= dict.fromkeys(known.deep)
        return known.schema

    def _mark(self, reference: str) -> str:
        self.deep[reference] = None
        return self._definitions.mark(reference)

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


def closed(schema: JsonObject) -> JsonObject:
    """Return `schema` without its marks: open where it refers to itself."""
    return {key: _closed(key, value) for key, value in schema.items() if key != "$ref"}


def strict(schema: JsonObject, definitions: JsonObject) -> JsonObject:
    """Return `schema` with what its marks refer to."""
    return {**schema, "$defs": definitions}


def _closed(key: str, value: JsonValue) -> JsonValue:
    if key in _LITERAL:
        return value
    if key == "properties" and isinstance(value, dict):
        return {name: closed(one) if isinstance(one, dict) else one for name, one in value.items()}
    if isinstance(value, list):
        return [closed(one) if isinstance(one, dict) else one for one in value]
    return closed(value) if isinstance(value, dict) else value


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
    if isinstance(kind, str) and "const" not in schema and "$ref" not in schema:
        result: JsonObject = {**schema, "type": [kind, "null"]}
        values = schema.get("enum")
        if isinstance(values, list) and None not in values:
            result["enum"] = [*values, None]
        return result
    if (isinstance(kind, list) and "$ref" not in schema) or not schema:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}
