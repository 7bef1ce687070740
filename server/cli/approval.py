"""`repertory approval …`: what actions wait for, and the decisions. Needs the running server."""

import json
from typing import Annotated

import typer

from core.errors import InvalidRequest
from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

app = typer.Typer(help="Decide on actions that wait for a person.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="As `approval list` shows it.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[str, typer.Option(help="Which ones; `all` shows every state.")] = "pending",
    as_json: AsJson = False,
) -> None:
    """Show the calls that wait for a decision."""
    from server.cli.answers import Approval
    from server.cli.gateway import read

    body = Session.of(ctx).gateway().get("/api/approvals")
    approvals = [one for one in read(Approval, body) if state in ("all", one.state)]
    if as_json:
        print_json([one.model_dump() for one in approvals])
        return
    print_table(
        ("id", "state", "persona", "call", "asked by"),
        [(one.id, one.state, one.persona, one.call, one.principal) for one in approvals],
        empty="Nothing waits for a decision." if state == "pending" else "There are none.",
    )


@app.command()
def approve(ctx: typer.Context, approval_id: Id, as_json: AsJson = False) -> None:
    """Let the call be made, with exactly the arguments shown."""
    _decide(ctx, approval_id, "approve", as_json)


@app.command()
def deny(ctx: typer.Context, approval_id: Id, as_json: AsJson = False) -> None:
    """Refuse the call."""
    _decide(ctx, approval_id, "deny", as_json)


@app.command()
def edit(
    ctx: typer.Context,
    approval_id: Id,
    arguments: Annotated[str, typer.Option(help="All arguments of the call as one JSON object.")],
    as_json: AsJson = False,
) -> None:
    """Let the call be made, with other arguments than those shown."""
    try:
        written = json.loads(arguments)
    except ValueError as error:
        raise InvalidRequest(f"--arguments is no JSON ({error}). Write one object, such as '{{}}'.") from error
    _decide(ctx, approval_id, "edit", as_json, {"arguments": written})


def _decide(
    ctx: typer.Context, approval_id: str, decision: str, as_json: bool, more: dict[str, object] | None = None
) -> None:
    body = {"decision": decision, **(more or {})}
    answer = Session.of(ctx).gateway().post(f"/api/approvals/{approval_id}", body)
    if as_json:
        print_json(answer)
        return
    done = {"approve": "Approved", "deny": "Denied", "edit": "Edited and approved"}[decision]
    typer.echo(f"{done} {approval_id}. The conversation goes on with its next message.")
