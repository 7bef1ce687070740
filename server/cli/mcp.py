"""`repertory mcp …`: MCP servers, and accepting what their tools have become. Needs the running server."""

from typing import Annotated

import typer

from server.cli.output import AsJson, print_json, print_table
from server.cli.session import Session

app = typer.Typer(help="Look at MCP servers and accept their tools.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As the file of MCP servers names it.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Ask every server for its tools, and show those that are not as they were accepted."""
    from server.cli.answers import McpServer
    from server.cli.gateway import read

    servers = read(McpServer, Session.of(ctx).gateway().get("/api/mcp/servers"))
    if as_json:
        print_json([one.model_dump() for one in servers])
        return
    print_table(
        ("name", "url", "answers", "tools", "to look at"),
        [(one.name, one.url, one.reason or "yes", len(one.tools), one.differing) for one in servers],
        empty="There are no MCP servers. REPERTORY_MCP_FILE names their file.",
    )


@app.command()
def show(ctx: typer.Context, name: Name) -> None:
    """Show a server's tools, as they were accepted and as they are now, as JSON."""
    print_json(Session.of(ctx).gateway().get(f"/api/mcp/servers/{name}"))


@app.command()
def accept(ctx: typer.Context, name: Name) -> None:
    """Accept the tools that the server offers now. Look at them first: `mcp show`."""
    Session.of(ctx).gateway().post(f"/api/mcp/servers/{name}/accept", {})
    typer.echo(f"Accepted what {name} offers. Personas have it within two seconds.")
