"""`repertory action …`: what a persona may call, read from its file; no server is needed.

What is called by hand is written down in the data directory's journal, as what a running server calls is.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

if TYPE_CHECKING:
    from actions import ActionResult, Offered
    from actions.json_value import JsonObject
    from actions.request import PreparedRequest
    from core.ids import PrincipalId
    from server.cli.persona_actions import PersonaActions

app = typer.Typer(help="See, check and try what a persona may call.", no_args_is_help=True)
PersonaName = Annotated[str, typer.Argument(metavar="PERSONA", help="A persona's id, or its file.")]


@app.command("list")
def list_(ctx: typer.Context, persona: PersonaName, as_json: AsJson = False) -> None:
    """Show the operations that the persona is offered."""
    from server.cli.persona_actions import read_actions

    actions = read_actions(Session.of(ctx).settings(), persona).actions
    if as_json:
        print_json([_shown(one) for one in actions.operations])
        return
    print_table(
        ("action", "request", "made", "description"),
        [(one.name, one.request, _made(one), one.description) for one in actions.operations],
        empty="This persona has no actions.",
    )


@app.command()
def check(ctx: typer.Context, persona: PersonaName, as_json: AsJson = False) -> None:
    """Show what will be offered, how, and what not and why. Exit code 1 if a document asks for a decision."""
    from actions.decoding import decodable
    from server.cli.persona_actions import read_actions

    actions = read_actions(Session.of(ctx).settings(), persona).actions
    notes = {one.name: [*one.notes, *decodable(one.parameters)[1]] for one in actions.operations}
    if as_json:
        print_json(
            {
                "offered": [_shown(one) | {"notes": notes[one.name]} for one in actions.operations],
                "not_offered": [
                    {"operation": one.title, "reason": one.reason, "denied": one.denied} for one in actions.skipped
                ],
                "notices": actions.notices,
                "notes": actions.notes,
            }
        )
    else:
        for one in actions.operations:
            typer.echo(f"{one.name}: {one.address} ({_made(one)})")
            for note in notes[one.name]:
                typer.echo(f"    {note}")
        for skipped in actions.skipped:
            typer.echo(f"not offered: {skipped.title}: {skipped.reason}")
        refused = sum(not one.denied for one in actions.skipped)
        typer.echo(
            f"{len(actions.operations)} offered, {refused} cannot be, {len(actions.skipped) - refused} denied."
        )
        for note in actions.notes:
            typer.echo(f"the model is told: {note}")
        for notice in actions.notices:
            typer.echo(notice, err=True)
    if actions.notices:
        raise typer.Exit(1)


@app.command()
def call(
    ctx: typer.Context,
    persona: PersonaName,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="As `action list` shows it.")],
    arguments: Annotated[str, typer.Argument(metavar="JSON", help="The arguments, as the model would.")] = "{}",
    send: Annotated[bool, typer.Option("--send", help="Make the call; else it is only shown.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a consequential call.")] = False,
    caller: Annotated[str, typer.Option("--as", help="Who `{principal.id}` is.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Try one operation by hand: show the very request, and send it if asked to.

    A call that is sent stands in the journal of calls as the operator's.
    """
    from core.ids import PrincipalId
    from server.cli.persona_actions import read_actions

    session = Session.of(ctx)
    read = read_actions(session.settings(), persona)
    actions = read.actions.for_caller(PrincipalId(caller))
    operation = actions.get(action)
    checked = actions.validate(action, arguments)
    prepared = actions.prepare(action, checked)
    if not as_json:
        _show_request(prepared, operation)
    if send and operation.consequential and not yes:
        typer.confirm("This call has consequences. Make it?", abort=True, err=True)
    result = _send(session, read, PrincipalId(caller), action, checked) if send else None
    if as_json:
        print_json(_request_shown(prepared) | {"result": _result_shown(result)})
    elif result is None:
        typer.echo("Nothing was sent. Say --send to make the call.")
    else:
        typer.echo(f"\n{result.status or 'no answer'}\n{result.text}")
    if result is not None and not result.ok:
        raise typer.Exit(1)


@app.command()
def accept(
    ctx: typer.Context,
    persona: PersonaName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the documents that changed at their URLs, after showing what changes. A running server follows."""
    from server.cli.persona_actions import read_actions

    read = read_actions(Session.of(ctx).settings(), persona)
    offers = [offer for config in read.configs if (offer := read.documents.offered(config)) is not None]
    if not offers:
        typer.echo("No document has changed since it was accepted.")
        return
    for offer in offers:
        typer.echo(f"{offer.url} has changed:")
        for line in offer.differences or ["nothing that this persona is offered"]:
            typer.echo(f"    {line}")
        if not yes:
            typer.confirm("Accept it, for every persona that names it?", abort=True, err=True)
        read.documents.accept(offer)
        typer.echo("Accepted.")


def _made(operation: "Offered") -> str:
    return "after approval" if operation.consequential else "at once"


def _shown(operation: "Offered") -> dict[str, object]:
    return {
        "name": operation.name,
        "operation": operation.title,
        "request": operation.address,
        "consequential": operation.consequential,
        "description": operation.description,
        "parameters": operation.parameters,
    }


def _send(
    session: Session, read: "PersonaActions", caller: "PrincipalId", name: str, arguments: "JsonObject"
) -> "ActionResult":
    import anyio

    from actions import Journal
    from core.clock import system_clock
    from server.cli.hand_call import make

    with session.database() as database:
        journal = Journal(database, system_clock, keep_arguments=session.settings().action_arguments)
        return anyio.run(make, read, caller, name, arguments, journal)


def _show_request(prepared: "PreparedRequest", operation: "Offered") -> None:
    typer.echo(f"{prepared.method} {prepared.url}")
    for name, value in prepared.headers.items():
        typer.echo(f"{name}: {value}")
    for secret in operation.secrets:
        typer.echo(f"and the secret {secret!r}")
    if prepared.content is not None:
        typer.echo(f"\n{prepared.content.decode(errors='replace')}")


def _request_shown(prepared: "PreparedRequest") -> dict[str, object]:
    body = None if prepared.content is None else prepared.content.decode(errors="replace")
    return {"method": prepared.method, "url": str(prepared.url), "headers": prepared.headers, "body": body}


def _result_shown(result: "ActionResult | None") -> dict[str, object] | None:
    return None if result is None else {"status": result.status, "ok": result.ok, "text": result.text}
