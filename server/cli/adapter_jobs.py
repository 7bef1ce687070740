"""`repertory adapter jobs|cancel|pause|resume`: trainings in the data directory, whoever asked for them.

Whoever works on a job, a server or another command, hears of it within a second or two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

if TYPE_CHECKING:
    from adapters.jobs import Job, Jobs

Id = Annotated[str, typer.Argument(metavar="JOB", help="As `adapter jobs` shows it.")]
_COLUMNS = ("id", "adapter", "status", "version", "examples", "by")
_SHOWN = 100


def jobs(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the newest trainings and how far they are, the newest first."""
    from core.paging import Slice

    with _jobs_of(ctx) as known:
        found = [_shown(one) for one in known.list(None, Slice(_SHOWN), {}).items]
    if as_json:
        print_json(found)
        return
    rows = [[one[column] for column in _COLUMNS] for one in found]
    print_table(_COLUMNS, rows, empty="Nothing was trained yet. `repertory adapter train` begins.")


def cancel(ctx: typer.Context, job_id: Id) -> None:
    """End a training for good; nothing comes of it."""
    _asked(ctx, job_id, "cancel")


def pause(ctx: typer.Context, job_id: Id) -> None:
    """Let a training rest after its last checkpoint; others have their turn."""
    _asked(ctx, job_id, "pause")


def resume(ctx: typer.Context, job_id: Id) -> None:
    """Queue a training again that rests; a server goes on with it, or the command that began it."""
    with _jobs_of(ctx) as known:
        typer.echo(f"{job_id} is {known.resume(job_id).status.value}.")


def _asked(ctx: typer.Context, job_id: str, what: str) -> None:
    from adapters.jobs.job import Asked

    with _jobs_of(ctx) as known:
        job = known.ask(job_id, Asked(what))
    soon = "" if job.asked is None else f"; whoever works on it is to {what} it"
    typer.echo(f"{job_id} is {job.status.value}{soon}.")


@contextmanager
def _jobs_of(ctx: typer.Context) -> "Iterator[Jobs]":
    from adapters.jobs import Jobs
    from core.clock import system_clock

    with Session.of(ctx).database() as database:
        yield Jobs(database, system_clock)


def _shown(job: "Job") -> dict[str, object]:
    return {
        "id": job.id,
        "adapter": job.new.adapter,
        "status": job.status.value,
        "version": job.version,
        "examples": job.new.training_file,
        "by": job.new.principal,
        "model": job.new.model,
        "created_at": job.created_at,
        "estimated_finish": job.estimated_finish,
        "error": None if job.error is None else job.error.message,
    }
