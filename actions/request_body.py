"""The request body of an operation: which of its media types is written, and which arguments it asks for."""

import re

from actions.arguments import Arguments, Unsupported
from actions.body import BodyKind, kind_of
from actions.document import Document
from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding, Part, Place, Style
from actions.parameters import style_of
from actions.pointer import resolve_object
from actions.schema import SchemaReader

_COMPOSED = ("anyOf", "oneOf", "allOf", "not", "enum", "const", "$ref")
_FORM_STYLES = (Style.FORM, Style.SPACE_DELIMITED, Style.PIPE_DELIMITED, Style.DEEP_OBJECT)
_PREFERRED = tuple(BodyKind)
_TEXT_OF_FILE = "Text of the file."


def read_body(document: Document, reader: SchemaReader, operation: JsonObject, arguments: Arguments) -> str | None:
    """Add the body's fields, or the whole body as one argument; return its media type, if it has one.

    Raises:
        Unsupported: a required body cannot be written.
    """
    body = resolve_object(document.content, operation.get("requestBody"), document.name)
    content = body.get("content")
    if not isinstance(content, dict) or not content:
        return None
    required = body.get("required") is True
    before = len(arguments.bindings), dict(arguments.properties), list(arguments.required)
    try:
        media_type, kind = _choose(content)
        media = resolve_object(document.content, content[media_type], document.name)
        _add(document, reader, media, kind, arguments, required=required)
    except Unsupported as error:
        if required:
            raise
        del arguments.bindings[before[0] :]
        arguments.properties, arguments.required = before[1], before[2]
        arguments.notes.append(f"left out: {error}")
        return None
    return "application/json" if "*" in media_type else media_type


def _choose(content: JsonObject) -> tuple[str, BodyKind]:
    kinds = [(media_type, kind) for media_type in content if (kind := kind_of(media_type)) is not None]
    if not kinds:
        raise Unsupported(f"its body is {next(iter(content))!r}, and only JSON, forms and text can be written")
    return min(kinds, key=lambda one: _PREFERRED.index(one[1]))


def _add(
    document: Document,
    reader: SchemaReader,
    media: JsonObject,
    kind: BodyKind,
    arguments: Arguments,
    *,
    required: bool,
) -> None:
    is_form = kind in (BodyKind.FORM, BodyKind.MULTIPART)
    raw = media.get("schema")
    schema: JsonObject = {"type": "string"} if kind is BodyKind.TEXT else reader.read(raw)
    if kind is BodyKind.TEXT or not _flattens(schema, required=required, arguments=arguments, is_form=is_form):
        if is_form and not {"object", None} & _types(schema):
            raise Unsupported("its body is a form, and its schema is no object")
        style = Style.FORM if kind is BodyKind.TEXT else Style.JSON
        arguments.add(Binding("body", Place.BODY, "body", style), schema, required=required)
        return
    encodings = resolve_object(document.content, media.get("encoding"), document.name) if is_form else {}
    properties, needed = schema.get("properties"), schema.get("required")
    for name, value in properties.items() if isinstance(properties, dict) else ():
        field = value if isinstance(value, dict) else {}
        is_required = isinstance(needed, list) and name in needed
        binding = Binding(name, Place.BODY_FIELD, name, Style.JSON)
        if is_form:
            try:
                binding, field = _form_field(name, field, encodings.get(name), kind)
            except Unsupported as error:
                if is_required:
                    raise Unsupported(f"its field {name!r} {error}") from error
                arguments.notes.append(f"left out: its field {name!r} {error}")
                continue
        arguments.add(binding, field, required=is_required)


def _form_field(name: str, schema: JsonObject, encoding: JsonValue, kind: BodyKind) -> tuple[Binding, JsonObject]:
    """Return how a field of a form is written: by its content type, unless the document states a style."""
    stated = encoding if isinstance(encoding, dict) else {}
    media_type = stated.get("contentType")
    media_type = media_type if isinstance(media_type, str) and media_type else None
    if _is_file(schema):
        if kind is BodyKind.FORM:
            raise Unsupported("is a file, which this kind of form cannot hold")
        return _file(name, schema, media_type or "text/plain")
    if kind is BodyKind.MULTIPART or not any(key in stated for key in ("style", "explode", "allowReserved")):
        part = Part(media_type if media_type is not None and "," not in media_type else None)
        return Binding(name, Place.BODY_FIELD, name, Style.JSON, part=part), schema
    style = style_of(stated.get("style"), _FORM_STYLES)
    explode = stated.get("explode")
    exploded = explode is True if explode is not None else style is Style.FORM
    return Binding(name, Place.BODY_FIELD, name, style, exploded), schema


def _file(name: str, schema: JsonObject, accepted: str) -> tuple[Binding, JsonObject]:
    kinds = [one.split(";")[0].strip().lower() for one in accepted.split(",")]
    text = next((one for one in kinds if one.startswith("text/") or one in _ALSO_TEXT), None)
    if text is None:
        raise Unsupported(f"is a file of the type {accepted!r:.60}, and only text can be written")
    written: JsonObject = {"type": "string", "description": schema.get("description") or _TEXT_OF_FILE}
    if "array" in _types(schema):
        written = {"type": "array", "items": {"type": "string"}, "description": written["description"]}
    plain = "text/plain" if "*" in text or text == "application/octet-stream" else text
    part = Part(f"{plain}; charset=utf-8", is_file=True)
    return Binding(name, Place.BODY_FIELD, name, Style.FORM, part=part), written


_ALSO_TEXT = frozenset(
    {"*/*", "application/octet-stream", "application/json", "application/xml", "application/csv"}
)


def _is_file(schema: JsonObject) -> bool:
    """Tell a file of a form: 3.0 writes `format: binary`, 3.1 a media type without a text encoding."""
    items = schema.get("items")
    members = schema.get("anyOf")
    inner = [one for one in (items, *(members if isinstance(members, list) else ())) if isinstance(one, dict)]
    if schema.get("format") == "binary" or any(_is_file(one) for one in inner):
        return True
    media_type = schema.get("contentMediaType")
    return isinstance(media_type, str) and "contentEncoding" not in schema and kind_of(media_type) is None


def _types(schema: JsonObject) -> set[str | None]:
    kind = schema.get("type")
    return {str(one) for one in kind} if isinstance(kind, list) else {None if kind is None else str(kind)}


def _flattens(schema: JsonObject, *, required: bool, arguments: Arguments, is_form: bool) -> bool:
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or not properties:
        return False
    if any(key in schema for key in _COMPOSED) or schema.get("additionalProperties") not in (None, False):
        return False
    if not required and schema.get("required"):
        return False
    if is_form:  # a field's own name is on the wire, whatever the argument is called
        return True
    return all(
        re.fullmatch(r"[a-zA-Z0-9_.-]{1,60}", name) and name not in arguments.properties for name in properties
    )
