"""`repertory dataset …`: data sets for training, checked, kept as versions that never change, and split.

All of it works without a server.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

if TYPE_CHECKING:
    from adapters.datasets import DatasetVersion
    from adapters.datasets.report import Checked

app = typer.Typer(help="Check, keep and split data sets for training.", no_args_is_help=True)
Pii = Annotated[
    list[str] | None,
    typer.Option("--pii", help="What to do about personal data: block, mask or allow; for one kind email=mask."),
]
Label = Annotated[str, typer.Option("--label", help="Key of a row that holds its intent or class.")]
Which = Annotated[str, typer.Argument(help="NAME, or NAME@VERSION.")]


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Chats or pairs: JSONL as of OpenAI.")],
    name: Annotated[str, typer.Option("--name", help="Name of the data set; the next version is made.")],
    label: Label = "label",
    pii: Pii = None,
    as_json: AsJson = False,
) -> None:
    """Take FILE in as the next version of NAME, if it has no fault. The same bytes make no new version."""
    from server.cli.datasets import import_file

    version, before = import_file(Session.of(ctx), file, name, label, pii or ())
    if as_json:
        print_json(version.shown())
        return
    told = f"Imported {version.reference}, {version.rows} rows."
    if before is not None:
        other = before.label_key != version.label_key
        relabelled = f" Its label is {version.label_key!r} now, not {before.label_key!r}." if other else ""
        told = f"These are the bytes of {version.reference}, {version.rows} rows.{relabelled}"
    typer.echo(f"{told} `repertory dataset split {version.reference}` parts it.")


@app.command()
def check(
    ctx: typer.Context,
    data: Annotated[str, typer.Argument(help="A file, or NAME, NAME@VERSION, NAME@VERSION/PART.")],
    persona: Annotated[
        str | None, typer.Option(help="Whom it is for: id or file. Compares prompt and matter.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Key of a row that holds its intent or class.")
    ] = None,
    each: Annotated[int, typer.Option(min=1, help="Rows that every label should have.")] = 10,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest example in tokens; else 1024.")] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens/--no-tokens", help="Count tokens with the base model's own.")
    ] = True,
    pii: Pii = None,
    html: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the report as one HTML page.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a data set: every fault with its line, and four measures of quality. Exit code 1 for faults."""
    from server.cli.datasets import Wishes, check_data

    wishes = Wishes(persona=persona, label=label, each=each, tokens=tokens, pii=tuple(pii or ()))
    if max_tokens is not None:
        wishes = replace(wishes, max_tokens=max_tokens)
    checked = check_data(Session.of(ctx), data, wishes)
    if html is not None:
        from server.cli.datasets import write_page

        write_page(checked, html)
    if as_json:
        print_json(checked.shown())
    else:
        _print(checked)
        if html is not None:
            typer.echo(f"The whole report is in {html}.")
    if not checked.sound:
        raise typer.Exit(1)


@app.command()
def split(
    ctx: typer.Context,
    which: Which,
    shares: Annotated[
        str, typer.Option(help="Parts and their shares, which add up to 1.")
    ] = "train=0.8,valid=0.1,test=0.1",
    seed: Annotated[int, typer.Option(help="The same seed gives the same parts.")] = 0,
    out: Annotated[Path | None, typer.Option(file_okay=False, help="Write PART.jsonl there, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Split a version: rows that belong together stay together, each part has its share of each label."""
    from server.cli.datasets import split_version

    version, parts = split_version(Session.of(ctx), which, shares, seed, out)
    if as_json:
        print_json({"dataset": version.reference, "parts": [part.shown() for part in parts]})
        return
    print_table(
        ("part", "rows", "groups", "sha256"),
        [(f"{version.reference}/{part.name}", part.rows, part.groups, part.sha256[:12]) for part in parts],
        empty="There are no parts.",
    )


@app.command()
def show(
    ctx: typer.Context,
    which: Annotated[str | None, typer.Argument(help="NAME, or NAME@VERSION; else all of them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known of a data set and its versions."""
    _show(Session.of(ctx), which, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the data sets with their versions."""
    _show(Session.of(ctx), None, as_json=as_json)


def _show(session: Session, which: str | None, *, as_json: bool) -> None:
    from server.cli.dataset_versions import versions_of

    found = versions_of(session, which)
    if as_json:
        print_json([version.shown() for version in found])
        return
    print_table(
        ("data set", "rows", "format", "parts", "imported", "from", "sha256"),
        [_line(version) for version in found],
        empty="There are no data sets yet. `repertory dataset import FILE --name N` takes one in.",
    )


def _line(version: "DatasetVersion") -> tuple[object, ...]:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.created_at))
    newest = [f"{part.name} {part.rows}" for part in version.parts if part.split == version.parts[0].split]
    kind, parts = version.format.value, ", ".join(newest)
    return version.reference, version.rows, kind, parts, when, version.source, version.sha256[:12]


def _print(checked: "Checked") -> None:
    dataset = checked.dataset
    typer.echo(
        f"{dataset.name}: {dataset.rows} rows ({dataset.format.value}), {len(dataset.examples)} without a fault."
    )
    print_table(
        ("finding", "times", "first at", "what is wrong", "what to do"),
        [
            (code, count, f"line {first.line} {first.field}".strip(), first.message, first.mend)
            for code, count, first in checked.by_code()
        ],
        empty="No findings.",
    )
    print_table(
        ("quality", "score", "what was seen"),
        [
            row
            for score in checked.scores
            for row in [
                (score.dimension, _figure(score.value), ""),
                *((f"  {one.name}", _figure(one.value), one.told) for one in score.measures),
            ]
        ],
        empty="",
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
