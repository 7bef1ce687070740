"""What every command starts from: the settings, the data directory, and the way to the running server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from core.errors import InvalidRequest

if TYPE_CHECKING:
    from core.database import Database
    from server.cli.gateway import Gateway
    from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the command line.

    Attributes:
        url: where the server answers, if it was said.
        api_key: the key to use, if it was given.
    """

    url: str | None = None
    api_key: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, ctx: typer.Context) -> "Session":
        """Return the session of the command that runs."""
        session = ctx.find_object(cls)
        return session if session is not None else cls()

    def settings(self) -> "Settings":
        """Read the settings.

        Raises:
            InvalidRequest: a variable has a value that cannot be used.
        """
        from pydantic import ValidationError

        from server.settings import Settings

        try:
            return Settings()
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(str(part) for part in first["loc"]).upper()
            raise InvalidRequest(f"REPERTORY_{name} cannot be used: {first['msg']}.") from error

    def gateway(self) -> "Gateway":
        """Return a client of the running server."""
        from server.cli.gateway import Gateway

        settings = self.settings()
        return Gateway(self.url or server_url(settings), self.api_key or _admin_key(settings))

    @contextmanager
    def database(self) -> Iterator["Database"]:
        """Open the data directory's database, made and migrated where needed."""
        from server.cli.storage import open_database

        database = open_database(self.settings())
        try:
            yield database
        finally:
            database.close()


def server_url(settings: "Settings") -> str:
    """Return where a server with these settings answers on this machine.

    Raises:
        InvalidRequest: the port is only known to the server.
    """
    if settings.port == 0:
        raise InvalidRequest(
            "REPERTORY_PORT=0 lets the server pick a port. Say --url with the address it printed."
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - read, not bound
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _admin_key(settings: "Settings") -> str | None:
    try:
        return settings.admin_key_path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
