"""`repertory backup` and `repertory restore`: work on the data directory; a backup also while the server runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from core.clock import system_clock
from server.cli.output import complain
from server.cli.session import Session


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The new archive, such as repertory-monday.tar.gz.")],
) -> None:
    """Back the data directory up while the server runs. The archive holds the admin key: keep it as safe."""
    from server.backup import take

    taken = take(Session.of(ctx).settings().data_dir, file, system_clock)
    for warning in taken.warnings:
        complain(warning)
    typer.echo(f"{taken.path}: {taken.files} files, {taken.size / 1e6:.1f} MB. It holds admin.key: keep it safe.")


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="An archive that `repertory backup` made.")],
    replace: Annotated[bool, typer.Option(help="Move a data directory that is there aside.")] = False,
) -> None:
    """Make a new data directory of a backup. The server that uses the folder must be stopped."""
    from server.backup import restore as restored_from

    done = restored_from(file, Session.of(ctx).settings().data_dir, system_clock, replace=replace)
    for warning in done.warnings:
        complain(warning)
    when = datetime.fromtimestamp(done.taken_at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    typer.echo(f"{done.data_dir} is as it was at {when} UTC (taken by Repertory {done.release}).")
    if done.aside:
        typer.echo(f"What was there before is in {done.aside}.")
    if done.given_up:
        typer.echo(f"{done.given_up} calls that waited for approval were given up: they may be made by now.")
    typer.echo("Keys that were revoked since then work again, and transcripts deleted since then are back.")
