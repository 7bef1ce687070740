"""`repertory doctor`: what is right and wrong with this installation, and what to do about it."""

from typing import Annotated

import typer

from server.cli.output import print_json, print_table
from server.cli.session import Session


def doctor(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False
) -> None:
    """Look at the installation, the machine, the data directory, the server and its engine.

    Changes nothing, and says what to do. Exit code 1 when something fails.
    """
    from server.cli.checks import Status, run_checks

    checks = run_checks(Session.of(ctx).settings())
    if as_json:
        print_json([check.as_json() for check in checks])
    else:
        print_table(
            ("check", "", "found", "what to do"),
            [(check.name, check.status, check.found, check.advice) for check in checks],
            empty="Nothing was checked.",
        )
    if any(check.status is Status.FAIL for check in checks):
        raise typer.Exit(1)
