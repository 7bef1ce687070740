"""`repertory eval …`: is a version worth it? `check` works without a server, the others ask the one that runs."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

app = typer.Typer(help="Evaluate adapter versions against the prompt alone.", no_args_is_help=True)
EvalFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="An eval file (YAML).")
]
Html = Annotated[Path | None, typer.Option("--html", dir_okay=False, help="Write the report as one HTML page.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `eval list` shows it.")]


@app.command()
def run(
    ctx: typer.Context,
    file: EvalFile,
    version: Annotated[int | None, typer.Option(min=1, help="The version to judge.")] = None,
    html: Html = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end.")] = True,
    as_json: AsJson = False,
) -> None:
    """Ask the prompt alone, the version in production and VERSION the same, and judge VERSION by the gate.

    Given again after an interruption, the same command goes on. Exit code 1 where the gate does not say pass.
    """
    from server.cli.evaluations import begin, follow, report_of

    session = Session.of(ctx)
    begun = begin(session, file, version)
    if not wait:
        print_json(begun.model_dump()) if as_json else typer.echo(
            f"Begun {begun.id}. `eval show {begun.id}` tells."
        )
        return
    ended = follow(session, begun)
    told = report_of(session, ended.id, html)
    if as_json:
        print_json(told)
    else:
        _print(told)
    if ended.outcome not in (None, "pass"):
        raise typer.Exit(1)


@app.command()
def check(ctx: typer.Context, file: EvalFile, as_json: AsJson = False) -> None:
    """Check an eval file and everything that it names; nothing is asked."""
    from server.cli.evaluations import checked

    counts, warnings = checked(Session.of(ctx), file)
    if as_json:
        print_json({"sets": counts, "warnings": warnings})
        return
    print_table(("set", "cases", "graders"), [(name, *told) for name, told in counts.items()], empty="No cases.")
    for warning in warnings:
        typer.echo(f"Note: {warning}")


@app.command("list")
def list_(
    ctx: typer.Context,
    adapter: Annotated[str | None, typer.Option(help="Only of this adapter.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest evaluations."""
    from server.cli.evaluations import all_of

    found = all_of(Session.of(ctx), adapter)
    if as_json:
        print_json([one.model_dump() for one in found])
        return
    print_table(
        ("id", "name", "version", "state", "answers", "verdict"),
        [(one.id, one.name, one.subject, one.state, f"{one.done}/{one.total}", one.told) for one in found],
        empty="Nothing has been evaluated yet. `repertory eval run FILE --version N` does.",
    )


@app.command()
def show(ctx: typer.Context, eval_id: Id, html: Html = None, as_json: AsJson = False) -> None:
    """Show how far an evaluation is, or what came out of it."""
    from server.cli.evaluations import one_of, report_of

    session = Session.of(ctx)
    found = one_of(session, eval_id)
    if found.state != "done":
        print_json(found.model_dump()) if as_json else typer.echo(found.progress)
        return
    told = report_of(session, eval_id, html)
    if as_json:
        print_json(told)
    else:
        _print(told)


@app.command()
def cancel(ctx: typer.Context, eval_id: Id) -> None:
    """End an evaluation; begun again, it goes on with its answers."""
    Session.of(ctx).gateway().post(f"/api/evals/{eval_id}/cancel", {})
    typer.echo(f"{eval_id} is cancelled.")


def _print(told: dict[str, object]) -> None:
    from server.cli.evaluations import metric_rows, rule_rows

    print_table(
        ("metric", "n", "base", "current", "candidate", "against base", "against current"),
        metric_rows(told),
        empty="Nothing was measured.",
    )
    gate = told.get("gate")
    if isinstance(gate, dict):
        print_table(("rule", "outcome", "what was seen"), rule_rows(gate), empty="")
        typer.secho(f"Verdict: {gate['outcome']}. {gate['reason']}", bold=True)
    if told.get("stale"):
        typer.echo("Stale: the persona's instructions have changed since. Evaluate again.")
