"""`repertory key …`: works on the data directory, with or without a running server."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from core.clock import system_clock
from core.ids import PersonaId
from core.principal import Scope
from server.cli.output import print_json, print_table
from server.cli.session import Session

if TYPE_CHECKING:
    from server.keys.store import Key

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Who holds the key, such as `slack-bot`.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="A right; repeat for more.")] = None,
    persona: Annotated[list[str] | None, typer.Option(help="Limit to this persona; repeat for more.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show its secret, this once."""
    from server.keys.store import Keys

    scopes = scope or [Scope.CHAT]
    personas = [PersonaId(one) for one in persona] if persona else None
    with Session.of(ctx).database() as database:
        key, secret = Keys(database, system_clock).create(name, scopes, personas)
    if as_json:
        print_json({**_shown(key), "secret": secret})
        return
    typer.echo(secret)
    typer.echo(f"This is the only time that the key {key.name!r} is shown; only its hash is stored.", err=True)


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show all keys, without their secrets."""
    from server.keys.store import Keys

    with Session.of(ctx).database() as database:
        keys = Keys(database, system_clock).list()
    if as_json:
        print_json([_shown(key) for key in keys])
        return
    print_table(
        ("name", "scopes", "personas", "made", "state"),
        [
            (
                key.name,
                ", ".join(sorted(key.scopes)),
                "all" if key.personas is None else ", ".join(sorted(key.personas)),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created_at)),
                "live" if key.revoked_at is None else "revoked",
            )
            for key in keys
        ],
        empty="There are no keys yet. `repertory key create NAME` makes one.",
    )


@app.command()
def revoke(ctx: typer.Context, name: Annotated[str, typer.Argument(help="Name of the key.")]) -> None:
    """Make a key useless from the next request on."""
    from server.keys.store import Keys

    with Session.of(ctx).database() as database:
        key = Keys(database, system_clock).revoke(name)
    typer.echo(f"Revoked {key.name!r}.")


def _shown(key: "Key") -> dict[str, object]:
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "personas": None if key.personas is None else sorted(key.personas),
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
