"""Documents of two kinds of records, written here after the shape and with the defects of HubSpot's public ones.

| here | in HubSpot's documents of contacts and deals, v3 |
|---|---|
| 13 operations for contacts, 12 for deals, those in batches included | the same paths and methods |
| ids such as `post-/crm/v3/objects/contacts/search_doSearch` | no id of the 25 is a legal function name |
| ids that come to one name, ids that are far too long | ids of later documents, with dates inside |
| the kind as a number (`0-3`) in paths and ids | deals |
| operations without any description, and one of 540 characters | both happen |
| references within references, maps by `additionalProperties`, `allOf` around one | schemas of records |
| an access token as a header parameter, three schemes of security | `private-app`, `hapikey`, `oauth2` |
"""

from actions.json_value import JsonObject, JsonValue
from tests.actions.documents import body, operation, parameter


def contacts() -> JsonObject:
    """Return the document of contacts."""
    base = "/crm/v3/objects/contacts"
    paths = _paths(base, "contactId")
    erase = operation(operationId=f"post-{base}/gdpr-delete_purge", requestBody=body(_ref("PublicGdprInput")))
    return _document("Contacts", {**paths, f"{base}/gdpr-delete": {"post": erase}})


def deals() -> JsonObject:
    """Return the document of deals."""
    return _document("Deals", _paths("/crm/v3/objects/0-3", "dealId"))


def _document(title: str, paths: JsonObject) -> JsonObject:
    return {
        "openapi": "3.0.1",
        "info": {"title": title, "version": "v3"},
        "servers": [{"url": "https://api.hubapi.com"}],
        "tags": [{"name": "Basic"}, {"name": "Batch"}, {"name": "Search"}],
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _security()},
    }


def _paths(base: str, id_name: str) -> JsonObject:
    one = f"{base}/{{{id_name}}}"
    record = parameter(id_name, "path")
    token = parameter("private-app-legacy", "header")
    shown: list[JsonValue] = [
        parameter("properties", "query", {"type": "array", "items": {"type": "string"}}, style="form"),
        parameter("associations", "query", {"type": "array", "items": {"type": "string"}}),
        parameter("archived", "query", {"type": "boolean", "default": False}),
    ]
    page = parameter("limit", "query", {"type": "integer", "format": "int32", "default": 10})
    return {
        base: {
            "get": _answering(f"get-{base}_getPage", "A page of records. " * 30, parameters=[page, *shown, token]),
            "post": _answering(f"post-{base}_create", "Make a record.", requestBody=body(_ref("ObjectInput"))),
        },
        one: {
            "get": _answering(f"get-{one}_getById", "", parameters=[record, *shown]),
            "delete": operation(operationId=f"delete-{one}_archive", parameters=[record]),
            "patch": _answering(
                f"patch-{one}_update", "", parameters=[record], requestBody=body(_ref("ObjectUpdate"))
            ),
        },
        f"{base}/batch/read": {"post": _batch(f"post-{base}/batch/read_read", "BatchRead")},
        f"{base}/batch/create": {"post": _batch(f"post-{base}/create", "BatchCreate")},
        f"{base}/batch/update": {"post": _batch(f"post-{base}/batch/update_update", "BatchUpdate")},
        f"{base}/batch/archive": {"post": _batch(f"post-{base}/batch/archive_archive", "BatchIds")},
        f"{base}/batch/upsert": {
            "post": _batch(f"post-{base}/batch/upsert_2026-09_makeOrChangeEachByItsUniqueProperty", "BatchUpdate")
        },
        f"{base}/merge": {"post": _answering(f"post-{base}/merge_merge", "", requestBody=body(_ref("Merge")))},
        f"{base}/search": {
            "post": _answering(f"post-{base}/search_doSearch", "", requestBody=body(_ref("SearchRequest")))
        },
    }


def _answering(operation_id: str, description: str, **fields: JsonValue) -> JsonObject:
    told: JsonObject = {"description": description} if description else {}
    answer: JsonObject = {"description": "done", "content": {"*/*": {"schema": _ref("Record")}}}
    return {"operationId": operation_id, **told, "responses": {"200": answer}, **fields}


def _batch(operation_id: str, schema: str) -> JsonObject:
    return _answering(operation_id, "", tags=["Batch"], requestBody=body(_ref(schema)))


def _ref(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: JsonObject) -> JsonObject:
    return {"type": "array", "items": items}


def _object(required: list[JsonValue], **properties: JsonValue) -> JsonObject:
    return {"type": "object", "required": required, "properties": properties}


def _inputs(name: str, **more: JsonValue) -> JsonObject:
    return _object(["inputs"], inputs=_list(_ref(name)), **more)


def _schemas() -> JsonObject:
    text: JsonObject = {"type": "string"}
    values: JsonObject = {"type": "object", "additionalProperties": text}
    moment: JsonObject = {"type": "string", "format": "date-time"}
    return {
        "RecordId": _object(["id"], id=text),
        "ObjectUpdate": _object(["properties"], properties=values),
        "ObjectInput": _object(["associations", "properties"], associations=_list(_ref("Tie")), properties=values),
        "Tie": _object(["to", "types"], to={"allOf": [_ref("RecordId")]}, types=_list(_ref("TieType"))),
        "TieType": _object(
            ["associationCategory", "associationTypeId"],
            associationCategory={"type": "string", "enum": ["HUBSPOT_DEFINED", "USER_DEFINED"]},
            associationTypeId={"type": "integer", "format": "int32"},
        ),
        "RecordUpdate": _object(["id", "properties"], id=text, idProperty=text, properties=values),
        "BatchRead": _inputs("RecordId", properties=_list(text), idProperty={"type": "string", "nullable": True}),
        "BatchCreate": _inputs("ObjectInput"),
        "BatchUpdate": _inputs("RecordUpdate"),
        "BatchIds": _inputs("RecordId"),
        "Merge": _object(["objectIdToMerge", "primaryObjectId"], objectIdToMerge=text, primaryObjectId=text),
        "PublicGdprInput": _object(["objectId"], idProperty=text, objectId=text),
        "SearchRequest": _object(
            ["after", "filterGroups", "limit", "properties", "sorts"],
            query=text,
            limit={"type": "integer", "format": "int32"},
            after=text,
            sorts=_list(text),
            properties=_list(text),
            filterGroups=_list(_ref("FilterGroup")),
        ),
        "FilterGroup": _object(["filters"], filters=_list(_ref("Filter"))),
        "Filter": _object(
            ["operator", "propertyName"],
            propertyName=text,
            operator={"type": "string", "enum": ["EQ", "NEQ", "IN", "CONTAINS_TOKEN"]},
            value=text,
            values=_list(text),
        ),
        "History": _object(["value", "timestamp"], value=text, timestamp=moment),
        "Record": _object(
            ["id", "properties", "createdAt"],
            id=text,
            createdAt=moment,
            properties={"type": "object", "additionalProperties": {"type": "string", "nullable": True}},
            propertiesWithHistory={"type": "object", "additionalProperties": _list(_ref("History"))},
            associations={"type": "object", "additionalProperties": _inputs("RecordId")},
        ),
    }


def _security() -> JsonObject:
    flow: JsonObject = {
        "authorizationUrl": "https://app.hubspot.com/oauth/authorize",
        "tokenUrl": "https://api.hubapi.com/oauth/v1/token",
        "scopes": {"crm.objects.contacts.read": ""},
    }
    return {
        "oauth2": {"type": "oauth2", "flows": {"authorizationCode": flow}},
        "private-app": {"type": "apiKey", "name": "private-app", "in": "header"},
        "hapikey": {"type": "apiKey", "name": "hapikey", "in": "query"},
    }
