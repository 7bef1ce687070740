"""`repertory key …`: works on the data directory, with or without a running server."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from core.clock import system_clock
from core.ids import PersonaId, PrincipalId
from core.principal import Limits, Scope
from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

if TYPE_CHECKING:
    from core.database import Database
    from server.keys.key import Key
    from server.keys.store import Keys

app = typer.Typer(help="Make, list, limit and revoke API keys.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the key.")]
RequestsPerMinute = Annotated[
    int | None, typer.Option(min=0, help="Requests in a minute; 0 takes the limit away.")
]
TokensPerMinute = Annotated[int | None, typer.Option(min=0, help="Tokens in a minute, prompts and answers.")]
RequestsPerDay = Annotated[int | None, typer.Option(min=0, help="Requests in a day of UTC.")]
TokensPerDay = Annotated[int | None, typer.Option(min=0, help="Tokens in a day of UTC.")]


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Who holds the key, such as `slack-bot`.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="A right; repeat for more.")] = None,
    persona: Annotated[list[str] | None, typer.Option(help="Limit to this persona; repeat for more.")] = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    requests_per_day: RequestsPerDay = None,
    tokens_per_day: TokensPerDay = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show its secret, this once."""
    from server.keys.store import Keys

    scopes = scope or [Scope.CHAT]
    personas = [PersonaId(one) for one in persona] if persona else None
    limits = Limits(
        requests_per_minute or None, tokens_per_minute or None, requests_per_day or None, tokens_per_day or None
    )
    with Session.of(ctx).database() as database:
        key, secret = Keys(database, system_clock).create(name, scopes, personas, limits)
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
        ("name", "scopes", "personas", "limits", "made", "state"),
        [
            (
                key.name,
                ", ".join(sorted(key.scopes)),
                "all" if key.personas is None else ", ".join(sorted(key.personas)),
                _limits(key),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created_at)),
                "live" if key.revoked_at is None else "revoked",
            )
            for key in keys
        ],
        empty="There are no keys yet. `repertory key create NAME` makes one.",
    )


@app.command()
def limit(
    ctx: typer.Context,
    name: Name,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    requests_per_day: RequestsPerDay = None,
    tokens_per_day: TokensPerDay = None,
    as_json: AsJson = False,
) -> None:
    """Change what a key may use, from the next second on; what is not said stays."""
    from server.keys.store import Keys

    said = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "requests_per_day": requests_per_day,
        "tokens_per_day": tokens_per_day,
    }
    changes = {one: value or None for one, value in said.items() if value is not None}
    with Session.of(ctx).database() as database:
        key = Keys(database, system_clock).limit(name, changes)
    if as_json:
        print_json(_shown(key))
    else:
        typer.echo(f"Limits of {key.name!r}: {_limits(key)}.")


@app.command()
def revoke(ctx: typer.Context, name: Name) -> None:
    """Make a key useless from the next second on, and forget the accounts that its holder has connected.

    Run it again if it broke off: what is connected still is given back then.
    """
    from server.keys.store import Keys

    session = Session.of(ctx)
    with session.database() as database:
        keys = Keys(database, system_clock)
        key = keys.revoke(name)
        typer.echo(f"Revoked {key.name!r}.")
        for secret in _disconnected(session, database, keys, key.principal.id):
            typer.secho(
                f"The service of {secret!r} did not take the tokens of its account back. Withdraw them there.",
                err=True,
            )


def _disconnected(session: Session, database: "Database", keys: "Keys", principal: PrincipalId) -> Sequence[str]:
    """Forget what a principal has connected; return the secrets whose services did not take the tokens back."""
    import anyio

    from actions import Seal, Tokens
    from server.assembly import connections_of

    settings = session.settings()
    if not Tokens(database, Seal(settings.oauth_keys_path), system_clock).list(principal):
        return ()

    async def end() -> Sequence[str]:
        connections = connections_of(settings, database, keys, system_clock)
        try:
            return await connections.end(principal)
        finally:
            await connections.aclose()

    return anyio.run(end)


def _limits(key: "Key") -> str:
    said = {name: value for name, value in asdict(key.limits).items() if value is not None}
    return ", ".join(f"{value} {name.replace('_per_', '/')}" for name, value in said.items()) or "none"


def _shown(key: "Key") -> dict[str, object]:
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "personas": None if key.personas is None else sorted(key.personas),
        "limits": asdict(key.limits),
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
