"""The CRM's HTTP face: HubSpot's search, objects and associations, and a page for people. Owns no storage."""

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Final
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse

from examples.crm.requests import Changes, Filter, NewRecord, Search
from examples.crm.store import KNOWN, CrmStore, Record, Taken, Unknown

MAX_FOUND: Final = 10_000
MAX_NOTE: Final = 65_536
_SINGULAR = {"contact": "contacts", "company": "companies", "deal": "deals", "note": "notes"}
_TYPES: Final[Mapping[tuple[str, int], str]] = {
    ("deals", 3): "contacts",
    ("deals", 5): "companies",
    ("contacts", 279): "companies",
    ("notes", 202): "contacts",
    ("notes", 190): "companies",
    ("notes", 214): "deals",
}
"""(kind, associationTypeId) → the other kind: HubSpot, "Association type ID values"."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>CRM</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; vertical-align: top; padding: .5rem; border-bottom: 1px solid #ccc }}
</style></head><body><h1>Contacts</h1><table>
<tr><th>No.</th><th>Name</th><th>Company</th><th>Deals</th><th>Notes</th></tr>
{rows}
</table></body></html>"""


class Refused(Exception):
    """A request that is answered with an error in HubSpot's shape ("Handling errors")."""

    def __init__(self, status: int, category: str, message: str, **more: object) -> None:
        self.status = status
        self.body = {
            "status": "error",
            "message": message,
            "correlationId": str(uuid4()),
            "category": category,
            **more,
        }


def create_app(store: CrmStore) -> FastAPI:
    """Return the CRM over `store`."""
    app = FastAPI(title="CRM", openapi_url=None)

    @app.post("/crm/v3/objects/{kind}/search")
    def search(kind: str, asked: Search) -> dict[str, Any]:
        found = [one for one in store.find(_kind(kind), asked.query) if _matches(store, one, asked)]
        for sort in asked.sorts:
            found.sort(
                key=lambda one: one.properties.get(sort.propertyName, ""), reverse=sort.direction == "DESCENDING"
            )
        begin = int(asked.after or 0)
        if begin + asked.limit > MAX_FOUND:
            raise _invalid(f"A search gives at most {MAX_FOUND} records.")
        page = [_shown(one, asked.properties) for one in found[begin : begin + asked.limit]]
        end = begin + asked.limit
        more = {"paging": {"next": {"after": str(end)}}} if end < len(found) else {}
        return {"total": len(found), "results": page, **more}

    @app.post("/crm/v3/objects/{kind}", status_code=201)
    def create(kind: str, new: NewRecord) -> dict[str, Any]:
        properties = _checked(_kind(kind), new.properties)
        if kind == "notes" and "hs_timestamp" not in properties:
            raise _invalid("Property values were not valid: hs_timestamp is required.")
        targets = [(_target(kind, tie.types[0].associationTypeId), tie.to["id"]) for tie in new.associations]
        for target in targets:
            store.get(*target)
        record = store.create(kind, properties)
        for target in targets:
            store.tie((kind, record.id), target)
        return _shown(record, list(record.properties))

    @app.get("/crm/v3/objects/{kind}/{record_id}")
    def read(kind: str, record_id: str, properties: str = "", associations: str = "") -> dict[str, Any]:
        record = store.get(_kind(kind), record_id)
        tied = {
            other: {"results": [{"id": one, "type": f"{kind}_to_{other}"} for one in ids]}
            for other in filter(None, associations.split(","))
            if (ids := store.tied((kind, record_id), _kind(other)))
        }
        return _shown(record, list(filter(None, properties.split(",")))) | ({"associations": tied} if tied else {})

    @app.patch("/crm/v3/objects/{kind}/{record_id}")
    def update(kind: str, record_id: str, changes: Changes) -> dict[str, Any]:
        properties = _checked(_kind(kind), changes.properties)
        if not properties:
            raise _invalid("No properties found to update.")
        return _shown(store.update(kind, record_id, properties), list(properties))

    @app.put("/crm/v4/objects/{kind}/{record_id}/associations/default/{other}/{other_id}")
    def tie(kind: str, record_id: str, other: str, other_id: str) -> dict[str, Any]:
        store.tie((_kind(kind), record_id), (_kind(other), other_id))
        ends = [(record_id, other_id), (other_id, record_id)]
        return {"status": "COMPLETE", "results": [{"from": {"id": a}, "to": {"id": b}} for a, b in ends]}

    @app.get("/crm/v4/objects/{kind}/{record_id}/associations/{other}")
    def ties(kind: str, record_id: str, other: str, after: str = "0", limit: int = 500) -> dict[str, Any]:
        store.get(_kind(kind), record_id)
        ids = store.tied((kind, record_id), _kind(other))
        begin, end = int(after), int(after) + limit
        more = {"paging": {"next": {"after": str(end)}}} if end < len(ids) else {}
        return {"results": [{"toObjectId": int(one)} for one in ids[begin:end]], **more}

    @app.get("/", include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse(_PAGE.format(rows="\n".join(_row(store, one) for one in store.all("contacts"))))

    _answer_errors(app)
    return app


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse(error.body, error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = "; ".join(f"{'/'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return JSONResponse(_invalid(f"Invalid input JSON: {problems}").body, 400)

    @app.exception_handler(Unknown)
    async def unknown(request: Request, error: Unknown) -> JSONResponse:
        message = "Object not found. objectId are usually numeric."
        return JSONResponse(Refused(404, "OBJECT_NOT_FOUND", message).body, 404)

    @app.exception_handler(Taken)
    async def taken(request: Request, error: Taken) -> JSONResponse:
        return JSONResponse(Refused(409, "CONFLICT", f"Contact already exists. Existing ID: {error}").body, 409)


def _kind(kind: str) -> str:
    if kind not in KNOWN:
        raise _invalid(f"Unable to infer object type from: {kind}")
    return kind


def _invalid(message: str) -> Refused:
    return Refused(400, "VALIDATION_ERROR", message)


def _target(kind: str, type_id: int) -> str:
    target = _TYPES.get((kind, type_id))
    if target is None:
        raise _invalid(f"There is no association type {type_id} from {kind}.")
    return target


def _checked(kind: str, properties: Mapping[str, Any]) -> dict[str, str]:
    for name, value in properties.items():
        if name not in KNOWN[kind]:
            problem = {"isValid": False, "message": f'Property "{name}" does not exist', "name": name}
            raise _invalid(f"Property values were not valid: {json.dumps([problem])}")
        if not isinstance(value, str) or len(value) > MAX_NOTE:
            raise _invalid(f"Property values were not valid: {name} is no text of at most {MAX_NOTE} characters.")
    return dict(properties)


def _matches(store: CrmStore, record: Record, asked: Search) -> bool:
    groups = asked.filterGroups
    return not groups or any(all(_holds(store, record, one) for one in group.filters) for group in groups)


def _holds(store: CrmStore, record: Record, asked: Filter) -> bool:
    value = asked.value or ""
    if asked.propertyName.startswith("associations."):
        other = _kind(_SINGULAR.get(asked.propertyName.removeprefix("associations."), ""))
        return value in store.tied((record.kind, record.id), other)
    has = record.properties.get(asked.propertyName)
    compared: Mapping[str, Callable[[str], bool]] = {
        "EQ": lambda text: text == value,
        "NEQ": lambda text: text != value,
        "GT": lambda text: text > value,
        "GTE": lambda text: text >= value,
        "LT": lambda text: text < value,
        "LTE": lambda text: text <= value,
        "HAS_PROPERTY": lambda text: True,
        "CONTAINS_TOKEN": lambda text: value.lower() in text.lower(),
    }
    if has is None:
        return asked.operator == "NOT_HAS_PROPERTY"
    return asked.operator in compared and compared[asked.operator](has)


def _shown(record: Record, names: list[str]) -> dict[str, Any]:
    """Return a record as HubSpot writes it: the asked properties, null where it has none."""
    properties = {name: record.properties.get(name) for name in names if name in KNOWN[record.kind]}
    return {
        "id": record.id,
        "properties": {**properties, "hs_object_id": record.id},
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
        "archived": False,
    }


def _row(store: CrmStore, contact: Record) -> str:
    def listed(kind: str, name: str) -> str:
        ids = store.tied(("contacts", contact.id), kind)
        return "<br>".join(escape(store.get(kind, one).properties[name]) for one in ids)

    has = contact.properties
    cells = (
        contact.id,
        escape(f"{has.get('firstname', '')} {has.get('lastname', '')}"),
        escape(has.get("company", "")),
        listed("deals", "dealname"),
        listed("notes", "hs_note_body"),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
