"""The reference of persona files in Markdown, made from their JSON Schema, so that the two cannot differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from server.personas.schema import PersonaSpec

Schema = Mapping[str, JsonValue]
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "{} or more",
    "maxItems": "up to {}",
    "maxLength": "up to {} characters",
}


@dataclass(frozen=True, slots=True)
class _Part:
    """An object of the file: where it stands, such as `model.sampling` or `actions[]`, and its schema."""

    path: str
    schema: Schema


def reference() -> list[str]:
    """Return the lines of the reference: one table for the file, one for each object inside it."""
    root = PersonaSpec.model_json_schema()
    definitions = cast("Mapping[str, Schema]", root["$defs"])
    lines: list[str] = []
    for part in _parts(_Part("", root), definitions):
        if part.path:
            lines += ["", f"### `{part.path}`", "", str(part.schema.get("description", ""))]
        lines += ["", "| field | type | default | bounds | meaning |", "|---|---|---|---|---|"]
        required = cast("list[str]", part.schema.get("required", []))
        for name, field in _fields(part.schema):
            default = "required" if name in required else _default(field)
            cells = (f"`{name}`", _type(field), default, _bounds(field), str(field.get("description", "")))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines[1:]


def _parts(part: _Part, definitions: Mapping[str, Schema]) -> Iterator[_Part]:
    yield part
    for name, field in _fields(part.schema):
        path = f"{part.path}.{name}" if part.path else name
        for schema, suffix in _objects(field, definitions):
            yield from _parts(_Part(path + suffix, schema), definitions)


def _objects(field: Schema, definitions: Mapping[str, Schema], suffix: str = "") -> Iterator[tuple[Schema, str]]:
    """Yield the objects that a field holds, with `[]` for each list that they are in."""
    if reference := field.get("$ref"):
        yield definitions[str(reference).rpartition("/")[2]], suffix
    for branch in _branches(field):
        yield from _objects(branch, definitions, suffix)
    items = field.get("items")
    if isinstance(items, Mapping):
        yield from _objects(items, definitions, suffix + "[]")


def _fields(schema: Schema) -> list[tuple[str, Schema]]:
    return list(cast("Mapping[str, Schema]", schema.get("properties", {})).items())


def _branches(field: Schema) -> list[Schema]:
    return cast("list[Schema]", field.get("anyOf", field.get("oneOf", [])))


def _type(field: Schema) -> str:
    if "$ref" in field:
        return "object"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in cast("list[str]", field["enum"]))
    if "const" in field:
        return f"`{field['const']}`"
    if branches := _branches(field):
        return " or ".join(dict.fromkeys(kind for kind in map(_type, branches) if kind != "null"))
    if field.get("type") == "array":
        return f"list of {_type(cast('Schema', field.get('items', {})))}"
    return str(field.get("type", "any"))


def _default(field: Schema) -> str:
    default = field.get("default")
    if default is None or default in ("", []):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _bounds(field: Schema) -> str:
    found = [text.format(field[key]) for key, text in _BOUNDS.items() if key in field]
    if "pattern" in field:
        found.append(f"`{field['pattern']}`")
    for branch in _branches(field):
        found += [bounds] if (bounds := _bounds(branch)) else []
    return ", ".join(found)
