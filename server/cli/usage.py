"""`repertory usage`: what keys have used, read from the data directory, with or without a running server."""

import time
from typing import Annotated

import typer

from server.cli.output import print_json, print_table
from server.cli.session import Session

_SECONDS_OF_A_DAY = 86_400


def usage(
    ctx: typer.Context,
    key: Annotated[str | None, typer.Option(help="Only this key; 'anonymous' for programs without one.")] = None,
    persona: Annotated[str | None, typer.Option(help="Only this persona.")] = None,
    days: Annotated[int, typer.Option(min=1, max=36_500, help="How many days, today included.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show requests and tokens by key, persona and day (of UTC), as of a second ago."""
    from dataclasses import asdict

    from server.usage.counts import day_of
    from server.usage.report import Group, Wanted, report

    now = time.time()
    groups = (Group.KEY, Group.PERSONA, Group.DAY)
    wanted = Wanted(groups, day_of(now - (days - 1) * _SECONDS_OF_A_DAY), day_of(now), key, persona)
    with Session.of(ctx).database() as database:
        lines = report(database, wanted)
    if as_json:
        print_json([{**line.of, **asdict(line.counts)} for line in lines])
        return
    columns = ("requests", "errors", "refused", "prompt_tokens", "cached_tokens", "completion_tokens", "estimated")
    print_table(
        (*groups, *(column.removesuffix("_tokens") for column in columns)),
        [
            (*(line.of[group] for group in groups), *(getattr(line.counts, one) for one in columns))
            for line in lines
        ],
        empty=f"Nothing was used in the last {days} days.",
    )
