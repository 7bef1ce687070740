"""The tracker's HTTP face: three operations and a page for people. Owns no storage."""

from html import escape
from pathlib import Path
from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from examples.tickets.store import Ticket, TicketStore

Status = Literal["open", "in_progress", "done"]
Priority = Literal["low", "medium", "high"]
DOCUMENT_PATH = Path(__file__).with_name("openapi.yaml")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tickets</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; vertical-align: top; padding: .5rem; border-bottom: 1px solid #ccc }}
small {{ color: #555 }}
</style></head><body><h1>Tickets</h1><table>
<tr><th>No.</th><th>Ticket</th><th>Status</th><th>Priority</th><th>Assignee</th><th>Filed</th></tr>
{rows}
</table></body></html>"""


class NewTicket(BaseModel):
    """What a caller sends to file a ticket."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=3, max_length=120)
    description: str = Field(min_length=1, max_length=2000)
    priority: Priority


class TicketSummary(BaseModel):
    """A ticket in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    status: Status
    priority: Priority
    assignee: str | None


class FullTicket(TicketSummary):
    """A ticket with its description."""

    description: str
    created_at: str


class TicketList(BaseModel):
    """The best matches of a search."""

    tickets: list[TicketSummary]


def create_app(store: TicketStore) -> FastAPI:
    """Return the tracker over `store`."""
    app = FastAPI(title="Ticket tracker", version="1.0.0")

    @app.get("/tickets", operation_id="search_tickets")
    def search_tickets(
        query: Annotated[str, Query(max_length=200)] = "", status: Status | None = None
    ) -> TicketList:
        return TicketList(tickets=[TicketSummary.model_validate(ticket) for ticket in store.search(query, status)])

    @app.get("/tickets/{ticket_id}", operation_id="get_ticket")
    def get_ticket(ticket_id: int) -> FullTicket:
        ticket = store.get(ticket_id)
        if ticket is None:
            raise HTTPException(404, f"There is no ticket {ticket_id}. Search with GET /tickets?query=words.")
        return FullTicket.model_validate(ticket)

    @app.post("/tickets", operation_id="create_ticket", status_code=201)
    def create_ticket(ticket: NewTicket) -> FullTicket:
        return FullTicket.model_validate(store.create(ticket.title, ticket.description, ticket.priority))

    @app.get("/", include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse(_PAGE.format(rows="\n".join(_row(ticket) for ticket in store.newest())))

    @app.get("/openapi.yaml", include_in_schema=False)
    def document() -> PlainTextResponse:
        return PlainTextResponse(DOCUMENT_PATH.read_text(encoding="utf-8"), media_type="application/yaml")

    return app


def _row(ticket: Ticket) -> str:
    cells = (
        f"{ticket.id}",
        f"<b>{escape(ticket.title)}</b><br><small>{escape(ticket.description)}</small>",
        ticket.status.replace("_", " "),
        ticket.priority,
        escape(ticket.assignee or "–"),
        escape(ticket.created_at[:16].replace("T", " ")),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
