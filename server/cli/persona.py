"""`repertory persona …`: list asks the server; check and schema read the files."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

app = typer.Typer(help="List personas, check their files, print their schema.", no_args_is_help=True)


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the personas that the server serves. Needs the running server."""
    from server.cli.answers import Persona, Problem
    from server.cli.gateway import read

    body = Session.of(ctx).gateway().get("/api/personas")
    if as_json:
        print_json(body)
        return
    print_table(
        ("persona", "name", "adapter", "state"),
        [(one.id, one.name, one.release, one.reason or "ready") for one in read(Persona, body)],
        empty="No persona is served. Put a YAML file into the personas folder.",
    )
    for problem in read(Problem, body, under="problems"):
        typer.echo(f"{problem.file}:{problem.line}: {problem.field}: {problem.message}", err=True)


@app.command()
def check(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, help="Persona files or folders; else the personas folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check persona files: each error with file, line and field. Exit code 1 when there are any."""
    from server.cli.persona_check import check_paths

    settings = Session.of(ctx).settings()
    good, problems = check_paths(settings, paths or [settings.personas_dir])
    if as_json:
        shown = [{"file": p.file, "line": p.line, "field": p.field, "message": p.message} for p in problems]
        print_json({"personas": good, "problems": shown})
    else:
        for problem in problems:
            typer.echo(str(problem), err=True)
        typer.echo(f"{len(good)} personas are good, {len(problems)} problems." if problems else _all_good(good))
    if problems:
        raise typer.Exit(1)


@app.command()
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Write tables for people instead.")] = False,
) -> None:
    """Print the JSON Schema of a persona file, for editors."""
    if markdown:
        from server.personas.reference import reference

        typer.echo("\n".join(reference()))
        return
    from server.personas.schema import PersonaSpec

    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **PersonaSpec.model_json_schema()})


def _all_good(good: list[str]) -> str:
    return f"All good: {', '.join(good)}." if good else "There are no persona files here."
