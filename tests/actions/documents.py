"""OpenAPI documents of the tests: small ones, written here, with the defects of real ones."""

import json
from pathlib import Path

from actions.json_value import JsonObject, JsonValue

CRM = """
openapi: 3.0.1
info: {title: Contacts, version: v3}
servers: [{url: https://api.crm.example}]
paths:
  /crm/v3/objects/contacts/search:
    post:
      operationId: post-/crm/v3/objects/contacts/search_doSearch
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/SearchRequest'}}}
      responses: {'200': {description: ok}}
  /crm/v3/objects/contacts/{contactId}:
    parameters:
      - {name: contactId, in: path, required: true, schema: {type: string}}
    get:
      operationId: get-/crm/v3/objects/contacts/{contactId}_getById
      parameters:
        - {name: properties, in: query, schema: {type: array, items: {type: string}}}
        - {name: associations, in: query, explode: false, schema: {type: array, items: {type: string}}}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: Authorization, in: header, schema: {type: string}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
      responses: {'200': {description: ok}}
    patch:
      operationId: patch-/crm/v3/objects/contacts/{contactId}_update
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Properties'}}}
      responses: {'200': {description: ok}}
    delete:
      operationId: delete-/crm/v3/objects/contacts/{contactId}_archive
      responses: {'204': {description: gone}}
components:
  schemas:
    Properties:
      type: object
      required: [properties]
      properties:
        properties: {type: object, additionalProperties: {type: string}}
    SearchRequest:
      type: object
      required: [filterGroups, limit]
      properties:
        query: {type: string, nullable: true}
        limit: {type: integer, minimum: 0, exclusiveMinimum: true}
        filterGroups: {type: array, items: {$ref: '#/components/schemas/FilterGroup'}}
    FilterGroup:
      type: object
      properties:
        property: {type: string}
        nested: {type: array, items: {$ref: '#/components/schemas/FilterGroup'}}
"""


def document(
    paths: JsonObject, *, version: str = "3.1.0", components: JsonObject | None = None, **top: JsonValue
) -> JsonObject:
    """Return a document around `paths`."""
    return {
        "openapi": version,
        "info": {"title": "t", "version": "1"},
        "servers": [{"url": "https://api.example"}],
        "paths": paths,
        **({"components": {"schemas": components}} if components else {}),
        **top,
    }


def operation(**fields: JsonValue) -> JsonObject:
    """Return an operation object."""
    return {"responses": {"200": {"description": "ok"}}, **fields}


def parameter(name: str, place: str, schema: JsonObject | None = None, **fields: JsonValue) -> JsonObject:
    """Return a parameter object."""
    required: JsonObject = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, "schema": schema or {"type": "string"}, **required, **fields}


def body(schema: JsonObject, *, media_type: str = "application/json", required: bool = True) -> JsonObject:
    """Return a request body object."""
    return {"required": required, "content": {media_type: {"schema": schema}}}


def write(folder: Path, content: JsonObject | str, name: str = "api.json") -> str:
    """Write a document into `folder` and return its name there."""
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return name
