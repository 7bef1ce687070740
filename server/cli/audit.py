"""`repertory action audit`: which calls were made, for whom, and what came of them. Needs the running server."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from server.cli.output import print_json, print_table
from server.cli.session import Session


def audit(
    ctx: typer.Context,
    persona: Annotated[str | None, typer.Option(help="A persona's id.")] = None,
    state: Annotated[str | None, typer.Option(help="Calls in this state alone, such as `unknown`.")] = None,
    approval: Annotated[str | None, typer.Option(help="The call of this approval alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, the newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show the calls of actions, the newest first.

    `unknown` was sent and nobody saw what came of it; `dropped` was never sent.
    """
    from server.cli.answers import ActionCall
    from server.cli.gateway import read

    asked = {"persona": persona, "state": state, "approval": approval, "limit": str(limit)}
    given = {name: value for name, value in asked.items() if value is not None}
    calls = read(ActionCall, Session.of(ctx).gateway().get("/api/actions/calls", **given))
    if as_json:
        print_json([one.model_dump() for one in calls])
        return
    print_table(
        ("id", "time (UTC)", "state", "status", "persona", "operation", "asked by", "approved by", "arguments"),
        [
            (
                one.id,
                datetime.fromtimestamp(one.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
                one.state,
                one.status or "-",
                f"{one.persona} ({one.revision})",
                one.operation,
                one.principal,
                one.decided_by or "-",
                one.told,
            )
            for one in calls
        ],
        empty="No call was made.",
    )
