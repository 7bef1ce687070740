"""`repertory adapter export|card|alias`: what is written about versions; works on the data directory alone."""

import os
from pathlib import Path
from typing import Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

Reference = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="A version, by its number or an alias.")]


def export(
    ctx: typer.Context,
    reference: Reference,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The archive that is written.")],
    as_json: AsJson = False,
) -> None:
    """Write a version with its model card into one archive, which `adapter import` takes in elsewhere."""
    from server.cli.version_papers import papers_of

    if os.path.lexists(target):
        raise typer.BadParameter(f"{target} exists already; choose another name", param_hint="FILE")
    with papers_of(Session.of(ctx)) as papers:
        version = papers.export(reference, target)
    if as_json:
        print_json(
            {"name": version.name, "version": version.version, "digest": version.digest, "file": str(target)}
        )
        return
    typer.echo(f"Wrote {version.engine_name} to {target}.")


def card(
    ctx: typer.Context,
    reference: Reference,
    intended_use: Annotated[str | None, typer.Option(help="Say what it is for.")] = None,
    limits: Annotated[str | None, typer.Option(help="Say what it is not for, and where it fails.")] = None,
    contact: Annotated[str | None, typer.Option(help="Say whom to ask.")] = None,
    review_on: Annotated[str | None, typer.Option(help="Say when somebody looks at it again (ISO date).")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the model card of a version as Markdown; with an option, say something more on it first."""
    from adapters.card import markdown_of
    from server.cli.adapter_versions import BY
    from server.cli.version_papers import papers_of

    options = {"intended_use": intended_use, "limits": limits, "contact": contact, "review_on": review_on}
    said = {name: value for name, value in options.items() if value is not None}
    with papers_of(Session.of(ctx)) as papers:
        version = papers.find(reference)
        if said:
            papers.tell(version.name, version.version, said, by=BY)
        shown = papers.card(version.name, version.version)
    if as_json:
        print_json(shown)
    else:
        typer.echo(markdown_of(shown))


def alias(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the adapter.")],
    word: Annotated[str | None, typer.Argument(metavar="ALIAS", help="A word; without it all are shown.")] = None,
    version: Annotated[int | None, typer.Argument(min=1, help="The version; without it the alias goes.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the aliases of an adapter's versions, or let ALIAS stand for VERSION."""
    from server.cli.adapter_versions import BY
    from server.cli.version_papers import papers_of

    with papers_of(Session.of(ctx)) as papers:
        if word is not None:
            papers.alias(name, word, version, by=BY)
        found = papers.aliases(name)
    if as_json:
        print_json(found)
        return
    print_table(
        ("alias", "version"),
        [(one, f"{name}@{number}") for one, number in found.items()],
        empty=f"No version of {name} has an alias.",
    )
