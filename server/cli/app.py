"""The tree of commands, and the one place where an expected failure becomes a sentence and an exit code.

Loads nothing heavy: each command imports what it needs when it runs, so that `--help` answers at once.
"""

import sys
from typing import Annotated

import typer

from core.errors import RepertoryError
from server.cli import (
    action,
    adapter,
    approval,
    audit,
    backup,
    chat,
    connection,
    dataset,
    doctor,
    evaluation,
    hook,
    key,
    knowledge,
    mcp,
    persona,
    rollout,
    serve,
    slack,
    transcript,
    usage,
)
from server.cli.output import complain
from server.cli.session import Session


class CommandLine(typer.Typer):
    """Turns what Repertory itself reports into one sentence and exit code 1."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Run the command that was asked for."""
        try:
            return super().__call__(*args, **kwargs)
        except RepertoryError as error:
            complain(f"{error.message} ({error.code})")
            sys.exit(1)


app = CommandLine(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"repertory {version('repertory')}")
        raise typer.Exit


@app.callback()
def repertory(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(envvar="REPERTORY_URL", help="Where the server answers; else host and port of the settings."),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="REPERTORY_API_KEY", help="Key for the server; else the admin key in the data directory."
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """One base model, a whole cast of assistants.

    Personas with knowledge, actions and LoRA adapters behind one OpenAI-compatible endpoint.
    """
    ctx.obj = Session(url, api_key)


app.command("serve")(serve.serve)
app.command("chat")(chat.chat)
app.add_typer(persona.app, name="persona")
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(dataset.app, name="dataset")
app.add_typer(adapter.app, name="adapter")
app.add_typer(rollout.app, name="rollout")
app.add_typer(evaluation.app, name="eval")
action.app.add_typer(connection.app)
action.app.command("audit")(audit.audit)
app.add_typer(action.app, name="action")
app.add_typer(approval.app, name="approval")
app.add_typer(hook.app, name="hook")
app.add_typer(mcp.app, name="mcp")
app.add_typer(slack.app, name="slack")
app.add_typer(key.app, name="key")
app.add_typer(transcript.app, name="transcript")
app.command("usage")(usage.usage)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("doctor")(doctor.doctor)
