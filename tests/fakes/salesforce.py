"""Salesforce's REST API over HTTP: queries and rows of a small org.

| behaviour | follows: Salesforce, "REST API Developer Guide" |
|---|---|
| `GET /query?q=`: `totalSize`, `done`, `records` with `attributes` | "Query" |
| `done` false and `nextRecordsUrl` after 200 records, read on by its locator | "Query": batches |
| 400 `MALFORMED_QUERY`, `INVALID_FIELD`, `INVALID_TYPE` | "Status Codes and Error Responses" |
| 201 with `id`, `success`, `errors` for what was made | "sObject Basic Information" |
| 204 without a body for what was changed or deleted | "sObject Rows" |
| 400 `REQUIRED_FIELD_MISSING` with `fields` | "Status Codes and Error Responses" |
| 401 `INVALID_SESSION_ID` without the token | "Status Codes and Error Responses" |
| 403 `INSUFFICIENT_ACCESS` where the user may only read | "Status Codes and Error Responses" |
| 403 `REQUEST_LIMIT_EXCEEDED` past the org's calls | "API Request Limits and Allocations" |
| 404 `NOT_FOUND` | "Status Codes and Error Responses" |
| errors are a list of `message` and `errorCode` | "Status Codes and Error Responses" |
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.serving import serving_app
from tests.fakes.soql import Malformed, Reader, Select
from tests.fakes.window import Window

TOKEN: Final = "00Dfake!AQ0AQFakeFakeFakeFake"
ACCOUNT, CONTACT = "001000000000001AAA", "003000000000001AAA"
_BASE = "/services/data/v62.0"
_PREFIXES = {"Account": "001", "Contact": "003", "Opportunity": "006", "Task": "00T"}
_FIELDS = {
    "Account": ["Id", "Name", "Industry", "Phone", "Website"],
    "Contact": ["Id", "Name", "LastName", "Email", "Phone", "Title", "AccountId", "Account.Name"],
    "Opportunity": ["Id", "Name", "StageName", "Amount", "CloseDate", "IsClosed", "AccountId"],
    "Task": ["Id", "WhoId", "Subject", "Description", "Status"],
}
_REQUIRED = {"Account": ["Name"], "Contact": ["LastName"], "Opportunity": ["Name", "StageName", "CloseDate"]}

Row = dict[str, Any]


def _rows() -> dict[str, list[Row]]:
    account = {"Id": ACCOUNT, "Name": "O'Hara & 100% Sons", "Industry": "Building", "Phone": "1", "Website": None}
    contact = {
        "Id": CONTACT,
        "Name": "Maeve O'Hara",
        "LastName": "O'Hara",
        "Email": "maeve_o@ohara.example",
        "Phone": "2",
        "Title": "Owner",
        "AccountId": ACCOUNT,
        "Account": {"Name": account["Name"]},
    }
    other = {
        **contact,
        "Id": "003000000000002AAA",
        "Name": "Ian Byrne",
        "LastName": "Byrne",
        "Email": "ian@x.example",
    }
    deals = [
        {
            "Id": f"006000000000{number:03}AAA",
            "Name": f"Roof {number}",
            "StageName": "Prospecting",
            "Amount": 1000.0 * number,
            "CloseDate": f"2026-{1 + number % 12:02}-01",
            "IsClosed": number % 2 == 0,
            "AccountId": ACCOUNT,
        }
        for number in range(1, 451)
    ]
    return {"Account": [account], "Contact": [contact, other], "Opportunity": deals, "Task": []}


@dataclass(slots=True)
class Salesforce:
    """The running org, what its user may do, and what it was asked."""

    url: str
    rows: dict[str, list[Row]] = field(default_factory=_rows)
    may_write: bool = True
    calls: Window = field(default_factory=lambda: Window(15_000, 86_400))
    queries: list[str] = field(default_factory=list)
    cursors: dict[str, tuple[Select, list[Row], int]] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, fields: list[str] | None = None) -> None:
        self.status = status
        self.error: Row = {"message": message, "errorCode": code} | ({"fields": fields} if fields else {})


@contextmanager
def running_salesforce() -> Iterator[Salesforce]:
    """Serve an org on a free port until the block ends."""
    salesforce = Salesforce("")
    with serving_app(_app(salesforce)) as salesforce.url:
        yield salesforce


def _app(salesforce: Salesforce) -> Starlette:
    async def query(request: Request) -> Response:
        _admit(salesforce, request)
        salesforce.queries.append(request.query_params.get("q", ""))
        select = _read(salesforce.queries[-1])
        found = [row for row in salesforce.rows[select.source] if select.holds(row)]
        for name, descending in reversed(select.order):
            found.sort(key=lambda row: str(row.get(name)), reverse=descending)
        return JSONResponse(_page(salesforce, select, found[: select.limit], 0))

    async def more(request: Request) -> Response:
        _admit(salesforce, request)
        cursor = salesforce.cursors.get(request.path_params["locator"])
        if cursor is None:
            raise _Refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return JSONResponse(_page(salesforce, *cursor))

    async def rows(request: Request) -> Response:
        _admit(salesforce, request)
        kind, fields = _kind(request), await request.json()
        missing = [name for name in _REQUIRED.get(kind, []) if not fields.get(name)]
        if missing:
            raise _Refused(400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: {missing}", missing)
        _known(kind, fields)
        row = {"Id": f"{_PREFIXES[kind]}00000000{900 + len(salesforce.rows[kind]):04}AAA", **fields}
        salesforce.rows[kind].append(row)
        return JSONResponse({"id": row["Id"], "success": True, "errors": []}, 201)

    async def row(request: Request) -> Response:
        _admit(salesforce, request)
        kind = _kind(request)
        found = next((one for one in salesforce.rows[kind] if one["Id"] == request.path_params["id"]), None)
        if found is None:
            raise _Refused(404, "NOT_FOUND", "The requested resource does not exist")
        if request.method == "GET":
            names = [name for name in request.query_params.get("fields", "").split(",") if name]
            _known(kind, names)
            return JSONResponse(_shown(kind, found, names or list(found)))
        if request.method == "DELETE":
            salesforce.rows[kind].remove(found)
        else:
            fields = await request.json()
            _known(kind, fields)
            found.update(fields)
        return Response(status_code=204)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, _Refused)
        return JSONResponse([error.error], error.status)

    return Starlette(
        routes=[
            Route(f"{_BASE}/query", query),
            Route(f"{_BASE}/query/{{locator}}", more),
            Route(f"{_BASE}/sobjects/{{kind}}", rows, methods=["POST"]),
            Route(f"{_BASE}/sobjects/{{kind}}/{{id}}", row, methods=["GET", "PATCH", "DELETE"]),
        ],
        exception_handlers={_Refused: refused},
    )


def _admit(salesforce: Salesforce, request: Request) -> None:
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        raise _Refused(401, "INVALID_SESSION_ID", "Session expired or invalid")
    if salesforce.calls.wait():
        raise _Refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    if request.method != "GET" and not salesforce.may_write:
        raise _Refused(403, "INSUFFICIENT_ACCESS", "insufficient access rights on object id")


def _read(soql: str) -> Select:
    try:
        select = Reader(soql).read()
    except Malformed as error:
        raise _Refused(400, "MALFORMED_QUERY", str(error)) from error
    if select.source not in _FIELDS:
        raise _Refused(400, "INVALID_TYPE", f"sObject type {select.source!r} is not supported.")
    _known(select.source, select.fields)
    return select


def _page(salesforce: Salesforce, select: Select, found: list[Row], begin: int) -> Row:
    end = begin + 200
    page: Row = {
        "totalSize": len(found),
        "done": end >= len(found),
        "records": [_shown(select.source, row, select.fields) for row in found[begin:end]],
    }
    if end < len(found):
        locator = f"01g000000000001AAA-{end}"
        salesforce.cursors[locator] = (select, found, end)
        page["nextRecordsUrl"] = f"{_BASE}/query/{locator}"
    return page


def _shown(kind: str, row: Row, names: list[str]) -> Row:
    url = f"{_BASE}/sobjects/{kind}/{row['Id']}"
    return {"attributes": {"type": kind, "url": url}} | {
        name.partition(".")[0]: row.get(name.partition(".")[0]) for name in names
    }


def _kind(request: Request) -> str:
    kind = str(request.path_params["kind"])
    if kind not in _FIELDS:
        raise _Refused(404, "NOT_FOUND", "The requested resource does not exist")
    return kind


def _known(kind: str, names: Any) -> None:
    for name in names:
        if name not in _FIELDS[kind]:
            raise _Refused(400, "INVALID_FIELD", f"No such column '{name}' on entity '{kind}'.", [name])
