"""`repertory action connect|connections|disconnect|rotate`: accounts at other services that actions use."""

import time
from typing import Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

app = typer.Typer(help="Connect the accounts that actions use at other services.", no_args_is_help=True)
SecretName = Annotated[str, typer.Argument(metavar="SECRET", help="Its name in the server's secrets file.")]
Whose = Annotated[str | None, typer.Option("--principal", help="Whose, such as `key:ada`; for administrators.")]
_POLL_SECONDS = 1.0


@app.command()
def connect(
    ctx: typer.Context,
    persona: Annotated[str, typer.Argument(help="The persona that is to use the account.")],
    secret: SecretName,
    wait: Annotated[bool, typer.Option(help="Wait until the account is connected.")] = True,
    as_json: AsJson = False,
) -> None:
    """Print a link that connects your account, and wait until it is."""
    from server.cli.answers import Connect, Connection
    from server.cli.gateway import read

    gateway = Session.of(ctx).gateway()
    asked = gateway.post("/api/oauth/connections", {"persona": persona, "secret": secret})
    (link,) = read(Connect, {"data": [asked]})
    if as_json:
        print_json(asked)
    else:
        typer.echo(f"Open this link in a browser and sign in; it works once:\n\n  {link.url}\n")
    if not wait:
        return
    until = time.monotonic() + link.expires_at - link.created_at
    while True:
        body = gateway.get("/api/oauth/connections", principal=link.principal)
        found = [one for one in read(Connection, body) if one.secret == secret and one.state == "connected"]
        if any(one.connected_at >= link.created_at for one in found):
            typer.echo(f"Connected: {link.principal} at {link.host}.", err=as_json)
            return
        if time.monotonic() >= until:
            typer.secho("Nobody has used the link in its time. Ask for a new one.", err=True)
            raise typer.Exit(1)
        time.sleep(_POLL_SECONDS)


@app.command()
def connections(ctx: typer.Context, principal: Whose = None, as_json: AsJson = False) -> None:
    """Show connected accounts, without their tokens."""
    from server.cli.answers import Connection
    from server.cli.gateway import read

    query = {} if principal is None else {"principal": principal}
    found = read(Connection, Session.of(ctx).gateway().get("/api/oauth/connections", **query))
    if as_json:
        print_json([one.model_dump() for one in found])
        return
    print_table(
        ("of", "secret", "at", "state", "may", "since"),
        [
            (
                one.principal,
                one.secret,
                one.host,
                one.state if one.reason is None else f"{one.state}: {one.reason}",
                " ".join(one.scopes),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(one.connected_at)),
            )
            for one in found
        ],
        empty="No account is connected. `repertory action connect PERSONA SECRET` connects one.",
    )


@app.command()
def disconnect(ctx: typer.Context, secret: SecretName, principal: Whose = None, as_json: AsJson = False) -> None:
    """Forget a connected account and give its tokens back to the service."""
    from urllib.parse import quote

    query = {} if principal is None else {"principal": principal}
    gateway = Session.of(ctx).gateway()
    answer = gateway.delete(f"/api/oauth/connections/{quote(secret, safe='')}", **query)
    if as_json:
        print_json(answer)
        return
    revoked = isinstance(answer, dict) and answer.get("revoked") is True
    typer.echo(f"Disconnected {secret!r}.")
    if not revoked:
        typer.secho(
            "The service did not take its tokens back. Withdraw them there, in the settings of the account.",
            err=True,
        )


@app.command()
def rotate(ctx: typer.Context) -> None:
    """Seal the tokens of all connected accounts with a new key; the server must be stopped."""
    from actions import Seal, Tokens
    from core.clock import system_clock
    from server.data_directory import locked

    session = Session.of(ctx)
    settings = session.settings()
    with locked(settings.data_dir), session.database() as database:
        kept = Tokens(database, Seal(settings.oauth_keys_path), system_clock).rotate()
    typer.echo(f"Sealed {kept} connected accounts with a new key; the old keys are gone.")
