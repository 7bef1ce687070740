"""`repertory hook …`: what came through signed webhooks, and what became of it. Needs the running server."""

from typing import Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

app = typer.Typer(help="See what other programs asked by signed webhooks.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="As `hook list` shows it.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the newest jobs."""
    from server.cli.answers import HookJob
    from server.cli.gateway import read

    jobs = read(HookJob, Session.of(ctx).gateway().get("/api/hooks/jobs"))
    if as_json:
        print_json([one.model_dump() for one in jobs])
        return
    print_table(
        ("id", "state", "persona", "hook", "callback", "tries"),
        [(one.id, one.state, one.persona, one.hook, one.told, one.tries) for one in jobs],
        empty="Nothing came through a hook in the last week.",
    )


@app.command()
def show(ctx: typer.Context, job_id: Id) -> None:
    """Show one job with its answer, as JSON."""
    print_json(Session.of(ctx).gateway().get(f"/api/hooks/jobs/{job_id}"))


@app.command()
def retry(ctx: typer.Context, job_id: Id) -> None:
    """Try a failed job again, or callbacks that were given up."""
    Session.of(ctx).gateway().post(f"/api/hooks/jobs/{job_id}/retry", {})
    typer.echo(f"{job_id} is tried again.")
