"""`repertory slack …`: serve personas in Slack, look whether all is set up, write an app's manifest."""

from typing import Annotated, Never

import typer

from server.cli.session import Session

app = typer.Typer(help="Personas in Slack.", no_args_is_help=True)


@app.command()
def run(ctx: typer.Context) -> None:
    """Serve Slack beside a running server, until Ctrl-C; `repertory serve` does it by itself."""
    _become(Session.of(ctx), "run")


@app.command()
def check(ctx: typer.Context) -> None:
    """Look at tokens, scopes, and which persona speaks where."""
    _become(Session.of(ctx), "check")


@app.command()
def manifest(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="How people call the app.")] = "Repertory",
    persona: Annotated[str | None, typer.Option(help="Take its name, description and starters.")] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="Public address of Slack's HTTP requests, `https://…/slack/slack/events`; else Socket Mode."
        ),
    ] = None,
) -> None:
    """Write the manifest that makes a Slack app with all that Repertory needs."""
    import json
    import subprocess

    from server.slack import argv

    asked: dict[str, object] = {"name": name, "description": "Assistants of your own, by Repertory.", "url": url}
    if persona is not None:
        asked |= _told(Session.of(ctx), persona)
    told = json.dumps(asked) + "\n"
    done = subprocess.run(argv("manifest"), input=told, capture_output=True, text=True, check=True)
    typer.echo(done.stdout, nl=False)


def _told(session: Session, persona: str) -> dict[str, object]:
    """Return what a persona's file says of it."""
    from core.errors import NotFound
    from server.assembly import action_loader
    from server.personas.loader import load_folder

    settings = session.settings()
    found = load_folder(settings.personas_dir, action_loader(settings)).personas.get(persona)
    if found is None:
        raise NotFound(f"There is no persona {persona!r} in {str(settings.personas_dir)!r}.")
    spec = found.spec
    return {"name": spec.name, "description": spec.description, "starters": spec.conversation_starters}


def _become(session: Session, work: str) -> Never:
    """Go on as the program, so that whoever ends this process ends it; its secrets go through a pipe."""
    import os
    import sys

    from core.clock import system_clock
    from server.cli.session import server_url
    from server.keys.store import Keys
    from server.slack import argv, key_of, setup_of

    settings = session.settings()
    key = session.api_key
    if key is None:
        with session.database() as database:
            key = key_of(settings, Keys(database, system_clock))
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:
        pipe.write(setup_of(settings, session.url or server_url(settings), key))
    os.dup2(reading, 0)
    os.execv(sys.executable, argv(work))  # noqa: S606  there is no shell to start it without
