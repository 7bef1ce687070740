"""Building the OpenAPI document of an application from its routes and the table of operations."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from server.openapi.openai_shapes import Error
from server.openapi.operations import OPERATIONS, Operation

Document = dict[str, Any]
_REFERENCE = "#/components/schemas/{model}"
_KEY = {"type": "http", "scheme": "bearer", "description": "An API key; `repertory key create` makes one."}
_DESCRIPTION = (
    "Personas as models on an OpenAI-compatible endpoint (`/v1`), and what is Repertory's own (`/api`). "
    "Every failure has the shape `Error`; every response has the header `x-request-id`."
)


def document_of(routes: Sequence[BaseRoute], version: str) -> Document:
    """Return the document, in OpenAPI 3.1."""
    document = get_openapi(title="Repertory", version=version, description=_DESCRIPTION, routes=routes)
    for key, name, operation in operations_in(document, routes):
        operation["operationId"] = name
        operation.pop("requestBody", None)
        row = OPERATIONS.get(key)
        open_api = not key.split(" ")[1].startswith("/api") or (row is not None and row.browser)
        _complete(operation, row, open_api=open_api)
    models = {model for row in OPERATIONS.values() for model in (row.answer, row.body, row.frames)} | {Error}
    shapes = sorted((one for one in models if isinstance(one, type)), key=lambda model: model.__name__)
    _, schemas = models_json_schema([(one, "validation") for one in shapes], ref_template=_REFERENCE)
    document["components"] = {"schemas": schemas["$defs"], "securitySchemes": {"key": _KEY}}
    return document


def operations_in(document: Document, routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str, Document]]:
    """Yield `METHOD /path`, the endpoint's name and the document's part for each operation."""
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in sorted(route.methods):
                yield f"{method} {route.path}", route.name, document["paths"][route.path][method.lower()]


def _complete(operation: Document, row: Operation | None, *, open_api: bool) -> None:
    failure: Document = {"description": "Refused, or failed.", "content": _json(Error)}
    operation["responses"] = {"default": failure}
    operation["security"] = [{"key": []}, {}] if open_api else [{"key": []}]
    if row is None:
        return
    if row.browser:
        failure["content"]["text/html"] = {}
    content = _json(row.answer) if isinstance(row.answer, type) else {row.answer: {}}
    if row.frames is not None:
        words = f"Server-sent events; each `data:` line is a `{row.frames.__name__}`, the last one `[DONE]`."
        content["text/event-stream"] = {"schema": {"type": "string", "description": words}}
    operation["responses"][str(row.status)] = {"description": "Done.", "content": content}
    if row.also is not None:
        content[row.also] = {}
    if row.form is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": dict(row.form)}},
        }
    if row.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(row.body)}
    for place, names in (("query", row.query), ("header", row.headers)):
        for name in names:
            parameter = {"name": name, "in": place, "required": False, "schema": {"type": "string"}}
            operation.setdefault("parameters", []).append(parameter)
    if row.scope is not None:
        operation["description"] += f"\n\nA key needs the scope `{row.scope.value}`."


def _json(model: type[BaseModel]) -> Document:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}
