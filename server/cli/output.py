"""How the command line writes: tables for people, JSON for scripts, complaints to standard error."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
"""The option of every command whose answer a script may read."""


def print_json(value: object) -> None:
    """Write `value` as JSON, as a script reads it."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Write a table, or the sentence `empty` when there are no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    if table.row_count:
        console = Console()
        if not console.is_terminal:
            console = Console(width=10_000)  # in a pipe nothing is wrapped or cut: a script may read the table
        console.print(table, crop=console.is_terminal)
    else:
        typer.echo(empty)


def complain(message: str) -> None:
    """Write a failure to standard error, on one line."""
    typer.secho(f"Error: {' '.join(message.split())}", err=True, fg=typer.colors.RED)
