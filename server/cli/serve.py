"""`repertory serve`."""

from typing import Annotated

import typer

from server.cli.session import Session


def serve(
    ctx: typer.Context,
    demo: Annotated[
        bool, typer.Option("--demo", help="Also release the demo's adapters and start its ticket tracker.")
    ] = False,
) -> None:
    """Serve the personas until Ctrl-C."""
    from server.serve import run

    run(Session.of(ctx).settings(), demo=demo)
