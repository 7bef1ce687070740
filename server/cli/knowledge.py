"""`repertory knowledge …`: what the personas can look up. Needs the running server."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

app = typer.Typer(help="See and search what the personas know.", no_args_is_help=True)
StoreName = Annotated[str, typer.Argument(help="A vector store of yours, by id or name.")]
ReaderName = Annotated[str, typer.Argument(help="`key:NAME`, `anonymous` (programs without a key) or `everyone`.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the stores: how many documents and passages each holds."""
    from server.cli.answers import Store
    from server.cli.gateway import read

    body = Session.of(ctx).gateway().get("/api/knowledge/stores")
    if as_json:
        print_json(body)
        return
    print_table(
        ("store", "name", "documents", "passages", "not read", "state"),
        [
            (
                one.store,
                "" if one.name == one.store else one.name,
                one.documents,
                one.passages,
                len(one.failures),
                one.reason or one.state,
            )
            for one in read(Store, body)
        ],
        empty="There is no knowledge yet. Name folders under `knowledge:` in a persona.",
    )


@app.command()
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the files of folders that could not be read, or not whole, and why."""
    from server.cli.answers import Store
    from server.cli.gateway import read

    body = Session.of(ctx).gateway().get("/api/knowledge/stores")
    if as_json:
        print_json(body)
        return
    print_table(
        ("store", "file", "", "reason"),
        [
            (store.store, note.path, kind, note.reason)
            for store in read(Store, body)
            for kind, notes in (("not read", store.failures), ("not whole", store.warnings))
            for note in notes
        ],
        empty="Every file was read whole.",
    )


@app.command()
def add(
    ctx: typer.Context,
    store: Annotated[str, typer.Argument(help="A vector store of yours, by id or name; a new name makes one.")],
    files: Annotated[list[Path], typer.Argument(help="Files to upload.", exists=True, dir_okay=False)],
    wait: Annotated[bool, typer.Option(help="Wait until every file is read.")] = True,
) -> None:
    """Upload files into a vector store and wait until they are found."""
    from server.cli.upload import add_files

    failed = add_files(Session.of(ctx).gateway(), store, files, wait=wait)
    for name, reason in failed:
        typer.secho(f"{name}: {reason}", fg="red", err=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def remove(
    ctx: typer.Context,
    store: StoreName,
    file: Annotated[str, typer.Argument(help="The file, by id or name.")],
    delete: Annotated[bool, typer.Option(help="Delete the upload, too, from every store.")] = False,
) -> None:
    """Take a file out of a vector store; no later answer has it."""
    from server.cli.upload import remove_file

    typer.echo(f"{remove_file(Session.of(ctx).gateway(), store, file, delete=delete)} is out of {store}.")


@app.command()
def shares(ctx: typer.Context, store: StoreName) -> None:
    """Show whom a vector store is shared with."""
    from server.cli.upload import readers

    _print_readers(store, readers(Session.of(ctx).gateway(), store))


@app.command()
def share(ctx: typer.Context, store: StoreName, reader: ReaderName) -> None:
    """Let another find what a vector store holds, from the next search on."""
    from server.cli.upload import share as give

    _print_readers(store, give(Session.of(ctx).gateway(), store, reader))


@app.command()
def unshare(ctx: typer.Context, store: StoreName, reader: ReaderName) -> None:
    """Let another find nothing of a vector store any more, from the next search on."""
    from server.cli.upload import unshare as take

    _print_readers(store, take(Session.of(ctx).gateway(), store, reader))


def _print_readers(store: str, readers: Sequence[str]) -> None:
    typer.echo(f"{store} is read by its owner" + "".join(f", {one}" for one in readers) + ".")


@app.command()
def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for, as a user would ask.")],
    persona: Annotated[str | None, typer.Option(help="Search what this persona knows.")] = None,
    store: Annotated[
        list[str] | None, typer.Option(help="Search this store, by id or name; repeat for more.")
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, max=50, help="How many passages to show.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Show the passages that a question would find, best first."""
    from retrieval.parsing import page_unit
    from retrieval.records import title_path
    from server.cli.answers import Hit
    from server.cli.gateway import read
    from server.cli.upload import searched_stores

    if (persona is None) == (not store):
        raise typer.BadParameter("say where to search: either --persona NAME or --store NAME")
    gateway = Session.of(ctx).gateway()
    request: dict[str, object] = {"query": query, "top_k": top_k}
    request |= {"persona": persona} if persona is not None else {"stores": searched_stores(gateway, store or ())}
    body = gateway.post("/api/knowledge/search", request)
    if as_json:
        print_json(body)
        return
    hits = read(Hit, body)
    for number, hit in enumerate(hits, 1):
        page = "" if hit.page is None else f", {page_unit(hit.path)} {hit.page}"
        typer.secho(f"[{number}] {title_path(hit.title, hit.heading)}{page}", bold=True)
        typer.echo(f"    {hit.path}  score {hit.score:.2f}  cosine {hit.cosine:.2f}")
        typer.echo(textwrap.indent(textwrap.fill(" ".join(hit.text.split()), 96), "    ") + "\n")
    if not hits:
        typer.echo("Nothing was found.")
