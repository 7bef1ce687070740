"""The parameters of an operation: which of the document's are offered, and in which style each is written."""

import re

from actions.arguments import Arguments, Unsupported
from actions.body import BodyKind, kind_of
from actions.document import Document
from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding, Place, Style
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
_STYLES = {
    Place.PATH: (Style.SIMPLE, Style.LABEL, Style.MATRIX),
    Place.QUERY: (Style.FORM, Style.SPACE_DELIMITED, Style.PIPE_DELIMITED, Style.DEEP_OBJECT),
    Place.HEADER: (Style.SIMPLE,),
    Place.COOKIE: (Style.FORM,),
}
"""By place; the first is the default."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


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
            binding, schema = _read(name, place, parameter, reader)
        except Unsupported as error:
            if required:
                raise Unsupported(f"its parameter {name!r} {error}") from error
            arguments.notes.append(f"left out: its parameter {name!r} {error}")
            continue
        arguments.add(binding, schema, required=required)
    missing = set(re.findall(r"{([^{}]*)}", path)) - {name for name, place in parameters if place == "path"}
    if missing:
        raise Unsupported(f"its path has {sorted(missing)[0]!r}, which no parameter describes")


def style_of(stated: JsonValue, allowed: tuple[Style, ...]) -> Style:
    """Return the style that a document states, or the default where it states none.

    Raises:
        Unsupported: the style does not go with the place.
    """
    if stated is None:
        return allowed[0]
    found = next((style for style in allowed if style == stated), None)
    if found is None:
        raise Unsupported(f"has the style {stated!r}, which does not go there")
    return found


def _read(name: str, place: str, parameter: JsonObject, reader: SchemaReader) -> tuple[Binding, JsonObject]:
    where = next((one for one in _STYLES if one == place), None)
    if where is None:
        raise Unsupported(f"goes into {place!r}, which OpenAPI 3.0 and 3.1 do not know")
    if where in (Place.HEADER, Place.COOKIE) and not _TOKEN.fullmatch(name):
        raise Unsupported(f"has a name that no {place} can have")
    content = parameter.get("content")
    if isinstance(content, dict) and content:
        kind, media = next(iter(content.items()))
        if kind_of(kind) is not BodyKind.JSON:
            raise Unsupported(f"is written as {kind!r}, and only JSON can be")
        schema = reader.read(media.get("schema") if isinstance(media, dict) else None)
        return Binding(name, where, name, Style.JSON), _described(schema, parameter)
    style = style_of(parameter.get("style"), _STYLES[where])
    explode = parameter.get("explode")
    return (
        Binding(name, where, name, style, explode is True if explode is not None else style is Style.FORM),
        _described(reader.read(parameter.get("schema")), parameter),
    )


def _described(schema: JsonObject, parameter: JsonObject) -> JsonObject:
    text = parameter.get("description")
    if isinstance(text, str) and text.strip():
        return {**schema, "description": one_line(text, MAX_PARAMETER_DESCRIPTION)}
    return schema
