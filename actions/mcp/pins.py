"""The tools of MCP servers as an operator accepted them. Owns the table; must never know the network.

The first list that a server gives is pinned by itself. Afterwards only an operator changes a pin.
"""

import json
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from actions.mcp.definition import ToolDefinition
from actions.tables import mcp_pins as table
from core.clock import Clock
from core.database import Database


@dataclass(frozen=True, slots=True)
class PinState:
    """What was accepted of one server.

    Attributes:
        pinned_at: seconds since the epoch.
        by: who accepted it.
    """

    tools: tuple[ToolDefinition, ...]
    pinned_at: float
    by: str


class ToolPins:
    """Pins in the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.changes = 0

    def get(self, server: str, url: str) -> PinState | None:
        """Return what was accepted of `server` at `url`; a server that moved is another one."""
        query = select(table).where(table.c.server == server, table.c.url == url)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        tools = tuple(ToolDefinition.of(plain) for plain in json.loads(row.tools))
        return PinState(tools, row.pinned_at, row.pinned_by)

    def put(self, server: str, url: str, tools: tuple[ToolDefinition, ...], *, by: str) -> None:
        """Accept `tools` in place of what was accepted before."""
        plain = json.dumps([tool.plain() for tool in tools])
        row = {"server": server, "url": url, "tools": plain, "pinned_at": self._clock(), "pinned_by": by}
        with self._database.write() as connection:
            connection.execute(
                insert(table).values(**row).on_conflict_do_update(index_elements=["server"], set_=row)
            )
        self.changes += 1
