"""`repertory transcript …`: what is kept of conversations, and deleting it. Needs the running server."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from core.errors import InvalidRequest
from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

app = typer.Typer(help="Look at what is kept of conversations, and delete it.", no_args_is_help=True)
User = Annotated[str | None, typer.Option(help="The client's word for its end user.")]
Conversation = Annotated[str | None, typer.Option(help="A conversation's id, such as conv-….")]
Holder = Annotated[str | None, typer.Option("--principal", help="Whose key it was, such as key:slack-bot.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    user: User = None,
    conversation: Conversation = None,
    principal: Holder = None,
    persona: Annotated[str | None, typer.Option(help="A persona's id.")] = None,
    since: Annotated[str | None, typer.Option(help="Not before this day or time, as 2026-11-23 (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this day or time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show transcripts, the newest first, without their texts."""
    from server.cli.answers import Transcript
    from server.cli.gateway import read

    query = {
        "user": user,
        "conversation": conversation,
        "principal": principal,
        "persona": persona,
        "from": _moment(since),
        "to": _moment(until),
        "limit": str(limit),
    }
    body = Session.of(ctx).gateway().get("/api/transcripts", **_given(query))
    found = read(Transcript, body)
    if as_json:
        print_json([one.model_dump() for one in found])
        return
    print_table(
        ("id", "begun (UTC)", "persona", "asked by", "user", "tokens", "end", "texts"),
        [
            (
                one.id,
                datetime.fromtimestamp(one.begun_at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
                one.persona,
                one.principal,
                one.user,
                one.prompt_tokens + one.completion_tokens,
                one.ending,
                "kept" if one.has_content else "-",
            )
            for one in found
        ],
        empty="There are no such transcripts.",
    )


@app.command()
def show(ctx: typer.Context, transcript_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Write one transcript as JSON, with its texts if they are kept."""
    print_json(Session.of(ctx).gateway().get(f"/api/transcripts/{transcript_id}"))


@app.command()
def delete(
    ctx: typer.Context,
    user: User = None,
    conversation: Conversation = None,
    principal: Holder = None,
    as_json: AsJson = False,
) -> None:
    """Delete for good what a user, a conversation or a key's holder left; several options must all fit."""
    chosen = _given({"user": user, "conversation": conversation, "principal": principal})
    if empty := [name for name, value in chosen.items() if not value]:
        raise InvalidRequest(f"--{empty[0]} is empty. Say whose transcripts go.")
    if not chosen:
        raise InvalidRequest("Say whose transcripts go: --user, --conversation or --principal.")
    answer = Session.of(ctx).gateway().delete("/api/transcripts", **chosen)
    if as_json:
        print_json(answer)
        return
    told = answer if isinstance(answer, dict) else {}
    typer.echo(f"Deleted {told.get('deleted', 0)} transcripts.")
    if not told.get("erased", True):
        typer.echo(
            "Their bytes are still in the database file; the server removes them within the hour.", err=True
        )


def _given(query: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value is not None}


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"{text!r} is no time. Write it as 2026-11-23 or 2026-11-23T14:00.") from error
    return str((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
