"""`repertory rollout …`: try a version beside the one in production, step by step. Needs the running server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

if TYPE_CHECKING:
    from server.cli.rollout_answers import Whole

app = typer.Typer(help="Let users meet a new adapter version step by step.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="As `rollout list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; goes into the record.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show all rollouts, the newest first."""
    from server.cli.gateway import read
    from server.cli.rollout_answers import Rollout

    found = read(Rollout, Session.of(ctx).gateway().get("/api/rollouts"))
    if as_json:
        print_json([one.model_dump() for one in found])
        return
    print_table(
        ("id", "version", "beside", "state", "stage"),
        [(one.id, one.candidate, one.current, one.state, one.stage) for one in found],
        empty="Nothing was tried yet. `repertory rollout start NAME VERSION` begins.",
    )


@app.command()
def start(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the adapter.")],
    version: Annotated[int, typer.Argument(min=1, help="Number of an approved version.")],
    stage: Annotated[str, typer.Option(help="Where to begin: shadow, 1, 5, 25, 50 or 100 (percent).")] = "shadow",
    unit: Annotated[str, typer.Option(help="Who stays with a version: user or conversation.")] = "user",
    metric: Annotated[str, typer.Option(help="What is compared: faults or outcome.")] = "faults",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Load and prove VERSION, and begin to try it beside the version in production."""
    body = {"adapter": name, "version": version, "stage": stage, "unit": unit, "metric": metric, "reason": reason}
    _done(ctx, "/api/rollouts", body, as_json)


@app.command()
def advance(
    ctx: typer.Context,
    rollout_id: Id,
    to: Annotated[str | None, typer.Option(help="Which stage; else the next one.")] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Go on to the next stage; after 100 percent the version goes into production."""
    from server.cli.rollout_answers import Rollout

    if to is None:
        to = Rollout.model_validate(Session.of(ctx).gateway().get(f"/api/rollouts/{rollout_id}")).next
    _done(ctx, f"/api/rollouts/{rollout_id}/advance", {"to": to or "production", "reason": reason}, as_json)


@app.command()
def pause(ctx: typer.Context, rollout_id: Id, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let production answer everyone for a while."""
    _done(ctx, f"/api/rollouts/{rollout_id}/pause", {"reason": reason}, as_json)


@app.command()
def resume(ctx: typer.Context, rollout_id: Id, reason: Reason = "", as_json: AsJson = False) -> None:
    """Go on where it was paused."""
    _done(ctx, f"/api/rollouts/{rollout_id}/resume", {"reason": reason}, as_json)


@app.command()
def stop(ctx: typer.Context, rollout_id: Id, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let production answer everyone again, at once, and roll the version back."""
    _done(ctx, f"/api/rollouts/{rollout_id}/stop", {"reason": reason}, as_json)


@app.command()
def outcome(
    ctx: typer.Context,
    rollout_id: Id,
    response: Annotated[str, typer.Argument(help="Id of the answer.")],
    good: Annotated[bool | None, typer.Option("--good/--bad", help="Whether it did what it was for.")] = None,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="It should never have been given.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what an answer of a rollout was worth."""
    if good is None and not unsafe:
        raise typer.BadParameter("say --good, --bad or --unsafe")
    said = {"response": response, "outcome": None if good is None else int(good), "unsafe": unsafe}
    answer = Session.of(ctx).gateway().post(f"/api/rollouts/{rollout_id}/outcomes", said)
    if as_json:
        print_json(answer)
        return
    taken = isinstance(answer, dict) and answer.get("taken")
    typer.echo("Noted." if taken else "Something was said of it before; that stays.")


@app.command()
def show(
    ctx: typer.Context,
    rollout_id: Id,
    page: Annotated[
        Path | None, typer.Option(help="Write it to this file, as a page of HTML with a plot.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the arms of a rollout, its test, and what was done with it."""
    from server.cli.rollout_answers import Whole
    from server.rollouts.page import page_of

    body = Session.of(ctx).gateway().get(f"/api/rollouts/{rollout_id}")
    whole = Whole.model_validate(body)
    if page is not None:
        page.write_text(page_of(whole.model_dump()), encoding="utf-8")
        typer.echo(f"Wrote {page}.")
    elif as_json:
        print_json(body)
    else:
        _tell(whole)


def _tell(whole: "Whole") -> None:
    typer.secho(f"{whole.candidate} beside {whole.current}: {whole.state} at {whole.stage}", bold=True)
    typer.echo(f"  {whole.test.told(whole.alpha)}")
    if whole.similarity is not None:
        typer.echo(
            f"  the shadow's answers are {whole.similarity:.0%} alike; {whole.unasked} questions were not asked"
        )
    print_table(
        ("arm", "units", "turns", "faults", "unsafe", "good", "p95 s"),
        [
            (name, arm.units, arm.turns, arm.told, arm.unsafe, arm.share, arm.p95)
            for name, arm in whole.arms.items()
        ],
        empty="There are no arms.",
    )
    print_table(
        ("when", "what", "stage", "by", "why"),
        [(step.when, step.did, step.stage, step.by, step.reason) for step in whole.steps],
        empty="Nothing was done with it yet.",
    )


def _done(ctx: typer.Context, path: str, body: dict[str, object], as_json: bool) -> None:
    from server.cli.rollout_answers import Rollout

    answer = Session.of(ctx).gateway().post(path, body)
    if as_json:
        print_json(answer)
        return
    rollout = Rollout.model_validate(answer)
    typer.echo(f"{rollout.id}: {rollout.told}")
