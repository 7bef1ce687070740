"""`repertory chat PERSONA`: a conversation in the terminal, with sources and approvals."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import RepertoryError
from server.cli.output import complain
from server.cli.session import Session

if TYPE_CHECKING:
    from server.cli.conversation import Conversation


def chat(
    ctx: typer.Context,
    persona: Annotated[str, typer.Argument(metavar="PERSONA", help="As `repertory persona list` shows it.")],
    message: Annotated[str | None, typer.Option("--message", "-m", help="Ask this once, then end.")] = None,
) -> None:
    """Talk to a persona. Answers stream; sources follow; actions ask for your approval.

    Type /new to start over and /quit (or Ctrl-D) to leave. Ctrl-C breaks an answer off.
    """
    from server.cli.conversation import Conversation

    session = Session.of(ctx)
    conversation = Conversation(session.gateway(), persona, may_ask=sys.stdin.isatty())
    if message is not None:
        conversation.say(message)
        return
    if sys.stdin.isatty():
        typer.secho(f"Talking to {persona}. /new starts over, /quit leaves.", dim=True)
    while (line := _read_line()) is not None:
        if line == "/quit":
            return
        if line == "/new":
            conversation = conversation.fresh()
            typer.secho("A new conversation.", dim=True)
        elif line:
            _turn(conversation, line)


def _turn(conversation: "Conversation", line: str) -> None:
    try:
        conversation.say(line)
    except KeyboardInterrupt:
        typer.secho("\n(broken off)", dim=True)
    except RepertoryError as error:
        if not sys.stdin.isatty():
            raise
        complain(error.message)


def _read_line() -> str | None:
    prompt = "\nyou> " if sys.stdin.isatty() else ""
    try:
        return input(prompt).strip()
    except (EOFError, KeyboardInterrupt):
        return None
