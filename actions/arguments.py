"""The arguments of an operation: one flat JSON Schema for the model, and the place of each in the request."""

import re
from dataclasses import dataclass, field

from actions.document import Document
from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding, Encoding, Place
from actions.pointer import resolve_object
from actions.schema import SchemaReader
from actions.text import MAX_PARAMETER_DESCRIPTION, one_line

_OURS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
    }
    | {"cookie", "expect", "host", "idempotency-key", "keep-alive", "proxy-authorization", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "user-agent", "forwarded", "x-forwarded-for", "x-forwarded-host"}
)
_COMPOSED = ("anyOf", "oneOf", "allOf", "not", "enum", "const")


class Unsupported(Exception):
    """This operation needs something that we cannot map yet."""


@dataclass(slots=True)
class Arguments:
    """Arguments as they are gathered."""

    properties: JsonObject = field(default_factory=dict)
    required: list[JsonValue] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)

    def add(
        self,
        name: str,
        place: Place,
        schema: JsonObject,
        *,
        required: bool,
        encoding: Encoding = Encoding.REPEATED,
    ) -> None:
        """Add an argument under a legal name that is still free."""
        legal = re.sub(r"[^a-zA-Z0-9_.-]+", "_", name).strip("_")[:60] or "value"
        argument, number = legal, 2
        while argument in self.properties:
            argument, number = f"{legal}_{number}", number + 1
        self.properties[argument] = schema
        if required:
            self.required.append(argument)
        self.bindings.append(Binding(argument, place, name, encoding))

    def schema(self) -> JsonObject:
        """Return the JSON Schema of the whole."""
        whole: JsonObject = {"type": "object", "properties": self.properties}
        if self.required:
            whole["required"] = self.required
        return {**whole, "additionalProperties": False}


def read_parameters(
    document: Document, reader: SchemaReader, levels: tuple[JsonObject, ...], path: str, arguments: Arguments
) -> None:
    """Add the parameters of `levels` (path item, then operation, which overrides by name and place).

    Raises:
        Unsupported: a required parameter cannot be mapped.
    """
    parameters: dict[tuple[str, str], JsonObject] = {}
    for level in levels:
        raw = level.get("parameters")
        for item in raw if isinstance(raw, list) else ():
            parameter = resolve_object(document.content, item, document.name)
            parameters[str(parameter.get("name")), str(parameter.get("in"))] = parameter
    for (name, place), parameter in parameters.items():
        if place == "header" and name.lower() in _OURS:
            continue
        if place == "path" and f"{{{name}}}" not in path:
            continue
        required = parameter.get("required") is True or place == "path"
        try:
            encoding, schema = _encoding(parameter, place, reader)
        except Unsupported as error:
            if required:
                raise Unsupported(f"its parameter {name!r} {error}") from error
            continue
        arguments.add(name, Place(place), schema, required=required, encoding=encoding)
    missing = set(re.findall(r"{([^{}]*)}", path)) - {name for name, place in parameters if place == "path"}
    if missing:
        raise Unsupported(f"its path has {sorted(missing)[0]!r}, which no parameter describes")


def read_body(document: Document, reader: SchemaReader, operation: JsonObject, arguments: Arguments) -> str | None:
    """Add the body's fields, or the whole body as one argument; return its media type, if it has one.

    Raises:
        Unsupported: a required body is no JSON.
    """
    body = resolve_object(document.content, operation.get("requestBody"), document.name)
    content = body.get("content")
    if not isinstance(content, dict) or not content:
        return None
    required = body.get("required") is True
    media_type = next((kind for kind in content if _is_json(kind)), None)
    if media_type is None:
        if required:
            raise Unsupported(f"its body is {next(iter(content))!r}, and only JSON bodies can be written")
        return None
    media = content[media_type]
    schema = reader.read(media.get("schema") if isinstance(media, dict) else None)
    if _flattens(schema, required=required, taken=arguments.properties):
        _add_fields(schema, arguments)
    else:
        arguments.add("body", Place.BODY, schema, required=required, encoding=Encoding.JSON)
    return "application/json" if "*" in media_type else media_type


def _encoding(parameter: JsonObject, place: str, reader: SchemaReader) -> tuple[Encoding, JsonObject]:
    if place not in {"path", "query", "header"}:
        raise Unsupported(f"goes into a {place}, which is not offered")
    content = parameter.get("content")
    if isinstance(content, dict) and content:
        kind, media = next(iter(content.items()))
        if not _is_json(kind):
            raise Unsupported(f"is written as {kind!r}, and only JSON can be")
        schema = reader.read(media.get("schema") if isinstance(media, dict) else None)
        return Encoding.JSON, _described(schema, parameter)
    style = parameter.get("style", "form" if place == "query" else "simple")
    if style != ("form" if place == "query" else "simple"):
        raise Unsupported(f"has the style {style!r}, which is not offered")
    schema = _described(reader.read(parameter.get("schema")), parameter)
    kinds = schema.get("type")
    if "object" in (kinds if isinstance(kinds, list) else [kinds]) or "properties" in schema:
        raise Unsupported("is an object, and only plain values and lists of them can be written there")
    repeated = place == "query" and parameter.get("explode", True) is not False
    return (Encoding.REPEATED if repeated else Encoding.COMMA), schema


def _described(schema: JsonObject, parameter: JsonObject) -> JsonObject:
    text = parameter.get("description")
    if isinstance(text, str) and text.strip():
        return {**schema, "description": one_line(text, MAX_PARAMETER_DESCRIPTION)}
    return schema


def _is_json(media_type: str) -> bool:
    kind = media_type.split(";")[0].strip().lower()
    return kind in {"application/json", "*/*", "application/*"} or kind.endswith("+json")


def _flattens(schema: JsonObject, *, required: bool, taken: JsonObject) -> bool:
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or not properties:
        return False
    if any(key in schema for key in _COMPOSED) or schema.get("additionalProperties") not in (None, False):
        return False
    if not required and schema.get("required"):
        return False
    return all(re.fullmatch(r"[a-zA-Z0-9_.-]{1,60}", name) and name not in taken for name in properties)


def _add_fields(schema: JsonObject, arguments: Arguments) -> None:
    properties, required = schema.get("properties"), schema.get("required")
    for name, value in properties.items() if isinstance(properties, dict) else ():
        arguments.add(
            name,
            Place.BODY_FIELD,
            value if isinstance(value, dict) else {},
            required=isinstance(required, list) and name in required,
            encoding=Encoding.JSON,
        )
