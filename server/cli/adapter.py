"""`repertory adapter …`: adapter versions in the data directory, and which of them answers.

Train, import, list and show work without a server; use and rollback ask the one that runs.
"""

import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.adapter_jobs import cancel, jobs, pause, resume
from server.cli.adapter_papers import alias, card, export
from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

if TYPE_CHECKING:
    from adapters import AdapterVersion

app = typer.Typer(help="Train, import and release LoRA adapters.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the adapter, such as `support-agent`.")]
NameOption = Annotated[str, typer.Option("--name", help="Name of the adapter; the next version is made.")]
Source = Annotated[
    Path,
    typer.Argument(exists=True, metavar="FOLDER", help="Folder with a PEFT LoRA adapter, or an exported archive."),
]


@app.command("import")
def import_(
    ctx: typer.Context,
    source: Source,
    name: Annotated[
        str | None, typer.Option(help="Name of the adapter; the next version is made. An archive brings its own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take an adapter folder, or an archive, in as the next version of NAME, if it fits the base model."""
    from server.cli.adapter_versions import import_version
    from server.cli.version_papers import import_archive

    if name is None and source.is_dir():
        raise typer.BadParameter("a folder has no name of its own: add --name NAME")
    session = Session.of(ctx)
    version = (
        import_version(session, source, name)
        if name and source.is_dir()
        else import_archive(session, source, name)
    )
    if as_json:
        print_json(_shown(version))
        return
    typer.echo(
        f"Imported {version.engine_name}. `repertory adapter use {version.name} {version.version}` releases it."
    )


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show all adapter versions."""
    from server.cli.adapter_versions import versions_of

    versions = versions_of(Session.of(ctx))
    if as_json:
        print_json([_shown(version) for version in versions])
        return
    print_table(
        ("version", "state", "rank", "digest"),
        [(one.engine_name, one.state, one.rank, one.digest[:12]) for one in versions],
        empty="There are no adapters yet. `repertory adapter import FOLDER --name N` takes one in.",
    )


@app.command()
def show(
    ctx: typer.Context,
    name: Name,
    version: Annotated[int | None, typer.Argument(help="Number of the version; else all of them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known of an adapter's versions."""
    from server.cli.adapter_versions import history_of, versions_of

    session = Session.of(ctx)
    found = [_shown(one) for one in versions_of(session, name, version)]
    moves = [one for one in history_of(session, name) if version in (None, one.version)]
    if as_json:
        print_json({"versions": found, "history": [asdict(one) for one in moves]})
        return
    for one in found:
        typer.secho(str(one["engine_name"]), bold=True)
        for field, value in one.items():
            typer.echo(f"  {field.replace('_', ' '):<17} {value}")
    print_table(
        ("when", "version", "to", "by", "reason"),
        [(_when(one.at), one.version, one.to_state, one.by, one.reason) for one in moves],
        empty="Nothing has happened to it yet.",
    )


@app.command()
def train(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Examples: a file of chats (JSONL), or NAME@VERSION/PART.")],
    name: NameOption,
    valid: Annotated[str | None, typer.Option(help="Examples to measure the loss on, named likewise.")] = None,
    method: Annotated[str, typer.Option(help="supervised: learn answers; dpo: prefer one of two.")] = "supervised",
    persona: Annotated[str | None, typer.Option(help="Whose adapter it is: compares the system prompt.")] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="Rank of the adapter; else 16.")] = None,
    alpha: Annotated[int | None, typer.Option(min=1, help="Scale; else twice the rank.")] = None,
    rslora: Annotated[bool, typer.Option("--rslora", help="Scale by alpha / sqrt(rank).")] = False,
    epochs: Annotated[float | None, typer.Option(min=0.01, help="Passes over the data; else by its size.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Else by the base's size: 1e-3 for 135M parameters, 2e-4 from 1B.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples in a step; else 8.")] = None,
    max_length: Annotated[int | None, typer.Option(min=16, help="Longest example in tokens; else 1024.")] = None,
    beta: Annotated[float | None, typer.Option(min=0, help="Of dpo: how near to the base; else 0.1.")] = None,
    patience: Annotated[
        int | None, typer.Option(min=0, help="Validations that bring nothing before it ends; else 2, 0 never.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the first weights and the order of examples.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; else all cores.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train an adapter on the base model and register it as the next version of NAME.

    It is a job like those of `/v1/fine_tuning/jobs`: a server that runs works on it, else this command does. One
    that was interrupted goes on where it was when the same command is given again.
    """
    from adapters.training.config import Method
    from adapters.training.defaults import Wish
    from server.cli.dataset_versions import training_file
    from server.cli.training import Choices, outcome, train_version

    session = Session.of(ctx)
    train_on, measure_on = training_file(session, dataset), training_file(session, valid) if valid else None
    if method not in tuple(Method):
        raise typer.BadParameter("it is supervised or dpo", param_hint="--method")
    wish = Wish(
        method=Method(method),
        rank=rank,
        alpha=alpha,
        rslora=rslora,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        max_length=max_length,
        beta=beta,
        patience=patience,
        seed=seed,
        threads=threads,
    )
    version = train_version(session, train_on, name, Choices(wish, measure_on, persona))
    if as_json:
        print_json(_shown(version))
        return
    typer.echo(outcome(version))


@app.command()
def preview(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Examples: a file (JSONL), or NAME@VERSION/PART.")],
    rows: Annotated[int, typer.Option(min=1, help="How many examples.")] = 3,
    max_length: Annotated[int | None, typer.Option(min=16, help="Longest example in tokens; else 1024.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show examples as the trainer sees them: what is learnt stands between ⟦ and ⟧."""
    from adapters.training.config import MAX_LENGTH
    from adapters.training.preview import preview as previews
    from server.cli.dataset_versions import training_file

    session = Session.of(ctx)
    data, base_dir = training_file(session, dataset)[0], session.settings().base_model_dir
    found = previews(data, base_dir, rows=rows, max_length=max_length or MAX_LENGTH)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        learnt = sum(span.tokens for span in one.spans if span.learnt)
        total = sum(span.tokens for span in one.spans)
        typer.secho(f"line {one.line}, {one.title}: {total} tokens, {learnt} learnt", bold=True)
        for span in one.spans:
            typer.secho(
                f"⟦{span.text}⟧" if span.learnt else span.text, nl=False, fg="green" if span.learnt else None
            )
        typer.echo("\n")


@app.command()
def use(
    ctx: typer.Context,
    name: Name,
    version: Annotated[int, typer.Argument(min=1, help="Number of the version.")],
    override: Annotated[
        bool, typer.Option("--override", help="Release it although no evaluation let it pass. Recorded.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; goes into the record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let VERSION answer for NAME from now on, without interrupting anyone. Needs the running server."""
    if override and not reason.strip():
        raise typer.BadParameter("an override is recorded with its reason: add --reason TEXT")
    body: dict[str, object] = {"version": version, "override": override, "reason": reason}
    answer = Session.of(ctx).gateway().post(f"/api/adapters/{name}/use", body)
    if as_json:
        print_json(answer)
        return
    typer.echo(f"{name}@{version} answers now.")


@app.command()
def approve(
    ctx: typer.Context,
    name: Name,
    version: Annotated[int, typer.Argument(min=1, help="Number of the version.")],
    override: Annotated[
        bool, typer.Option("--override", help="Past the gate, or as its author. Needs the scope; recorded.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; goes into the record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let VERSION go to users; someone other than its author says so. Needs the running server."""
    if override and not reason.strip():
        raise typer.BadParameter("an override is recorded with its reason: add --reason TEXT")
    body: dict[str, object] = {"override": override, "reason": reason}
    answer = Session.of(ctx).gateway().post(f"/api/adapters/{name}/versions/{version}/approve", body)
    if as_json:
        print_json(answer)
        return
    typer.echo(f"{name}@{version} is approved. `repertory rollout start {name} {version}` tries it.")


@app.command()
def retire(
    ctx: typer.Context,
    name: Name,
    version: Annotated[int | None, typer.Argument(min=1, help="Number of the version; else all of it.")] = None,
    on: Annotated[datetime | None, typer.Option(help="From when on; else at once.")] = None,
    successor: Annotated[str, typer.Option(help="What to use instead; clients are told.")] = "",
    reason: Annotated[str, typer.Option(help="Why; goes into the record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a version, or a whole adapter, answer no more from a date on. Its files stay."""
    at = on.timestamp() if on else time.time()
    body: dict[str, object] = {"version": version, "at": at, "successor": successor, "reason": reason}
    answer = Session.of(ctx).gateway().post(f"/api/adapters/{name}/retire", body)
    if as_json:
        print_json(answer)
        return
    what = name if version is None else f"{name}@{version}"
    typer.echo(f"{what} answers no more from {_when(at)} on.")


@app.command()
def rollback(
    ctx: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; goes into the record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Take back the last change: end a rollout, else let the previous version answer again. Needs the server."""
    answer = Session.of(ctx).gateway().post(f"/api/adapters/{name}/rollback", {"reason": reason})
    if as_json:
        print_json(answer)
        return
    version = answer.get("version") if isinstance(answer, dict) else None
    typer.echo(f"{name}@{version} answers again." if version else f"The previous version of {name} answers again.")


for command in (jobs, cancel, pause, resume):
    app.command()(command)
app.command("export")(export)
app.command("card")(card)
app.command("alias")(alias)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _shown(version: "AdapterVersion") -> dict[str, object]:
    return {
        "engine_name": version.engine_name,
        "name": version.name,
        "version": version.version,
        "state": version.state,
        "rank": version.rank,
        "digest": version.digest,
        "base_fingerprint": version.base_fingerprint,
        "template_hash": version.template_hash,
        "created_at": version.created_at,
        "warnings": list(version.warnings),
        "path": str(version.path),
    }
