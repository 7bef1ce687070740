"""The MCP servers of the settings and what personas may call there. The face of this package.

Loading a persona never waits for a server: what was pinned is offered, what was never listed is a sentence. The
library is imported with the first connection, since that takes seconds.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import anyio
import httpx

from actions.addresses import NetworkGrants
from actions.config import McpConfig
from actions.credentials import Credentials, of_secret, together
from actions.errors import SecretRefused
from actions.guard import GuardedTransport, Resolver, system_resolver
from actions.json_value import JsonObject
from actions.mcp.config import McpServer, McpServers
from actions.mcp.definition import ToolDefinition
from actions.mcp.offering import McpTool, offered_tools
from actions.mcp.pins import PinState, ToolPins
from actions.operation import SkippedOperation
from actions.result import ActionResult
from actions.secret import AuthorizationCode, ClientCredentials
from actions.vault import Secrets
from core.errors import NotFound, RepertoryError, UpstreamFailed
from core.ids import PersonaId

if TYPE_CHECKING:
    from actions.mcp.connection import Connection

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class ToolState(StrEnum):
    """How a tool of a server stands beside what was accepted."""

    ACCEPTED = "accepted"
    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server: what was accepted, and what it offers now.

    Attributes:
        offered: its tools now, or None where it does not answer.
        reason: why it does not answer.
    """

    name: str
    url: str
    pin: PinState | None
    offered: tuple[ToolDefinition, ...] | None
    reason: str | None

    def tools(self) -> Mapping[str, ToolState]:
        """Return each tool's state, by name."""
        pinned = {tool.name: tool.digest for tool in self.pin.tools} if self.pin else {}
        if self.offered is None:
            return dict.fromkeys(pinned, ToolState.ACCEPTED)
        now = {tool.name: tool.digest for tool in self.offered}
        return {name: _state(pinned.get(name), now.get(name)) for name in [*pinned, *(now.keys() - pinned.keys())]}


class Toolbox:
    """MCP servers, through the network guard, under the operator's pins.

    Args:
        pins: what was accepted; None where nothing is kept, as in a check of persona files.
    """

    def __init__(
        self,
        servers: McpServers,
        pins: ToolPins | None,
        *,
        grants: NetworkGrants,
        secrets: Secrets,
        resolver: Resolver = system_resolver,
    ) -> None:
        self._servers = servers
        self._pins = pins
        self._grants = grants
        self._secrets = secrets
        self._resolver = resolver
        self._personas: dict[str, PersonaId] = {}

    @classmethod
    def empty(cls) -> "Toolbox":
        """Return a toolbox without servers."""
        return cls(McpServers.none(), None, grants=NetworkGrants(), secrets=Secrets.none())

    @property
    def changes(self) -> int:
        """How often a pin was changed since the start; personas are loaded anew when it rises."""
        return self._pins.changes if self._pins else 0

    def tools(
        self, config: McpConfig, persona: PersonaId
    ) -> tuple[tuple[McpTool, ...], tuple[SkippedOperation, ...], tuple[str, ...]]:
        """Return what `persona` may call of a server, what cannot be offered, and what the model is told of it.

        Raises:
            DocumentInvalid: there is no such server for this persona, or no such tool.
            SecretRefused: a secret is not bound to the persona or to the server's host.
        """
        server = self._servers.get(config.mcp, persona)
        self._credentials(server, persona)
        self._personas[config.mcp] = persona
        pin = self._pins.get(config.mcp, server.url) if self._pins else None
        if pin is None:
            left_out = SkippedOperation(f"MCP server {config.mcp}", "it has not told its tools yet")
            return (), (left_out,), (f"The tools of {config.mcp} cannot be used at the moment.",)
        return *offered_tools(pin.tools, config, server), ()

    async def call(self, tool: McpTool, persona: PersonaId, arguments: JsonObject, seconds: float) -> ActionResult:
        """Call a tool within so many seconds; whatever the network or the server does becomes a result.

        Raises:
            SecretRefused: a secret of the server may not be used here.
        """
        connection = await self._connection(self._servers.get(tool.service, persona), persona)
        result = await connection.call(tool.definition, arguments, seconds)
        return replace(result, text=self._secrets.hide(result.text))

    async def state(self, name: str) -> ServerState:
        """Ask a server what it offers now.

        Raises:
            NotFound: there is no such server.
        """
        server = self._servers.by_name.get(name)
        if server is None:
            raise NotFound(f"There is no MCP server {name!r}. `repertory mcp list` shows those that there are.")
        pin = await anyio.to_thread.run_sync(self._pin, name, server)
        offered, reason = None, None
        try:
            offered = await self._listed(name, server)
        except RepertoryError as error:
            reason = error.message
        return ServerState(name, server.url, pin, offered, reason)

    async def states(self) -> list[ServerState]:
        """Ask all servers at once, in the order of their names."""
        found: dict[str, ServerState] = {}

        async def ask(name: str) -> None:
            found[name] = await self.state(name)

        async with anyio.create_task_group() as group:
            for name in self._servers.by_name:
                group.start_soon(ask, name)
        return [found[name] for name in sorted(found)]

    async def accept(self, name: str, *, by: str) -> ServerState:
        """Pin what a server offers now.

        Raises:
            NotFound: there is no such server.
            UpstreamFailed: it does not answer.
        """
        state = await self.state(name)
        if state.offered is None:
            raise UpstreamFailed(f"The MCP server {name!r} does not tell its tools: {state.reason}")
        await anyio.to_thread.run_sync(lambda: self._put(name, state.url, state.offered or (), by))
        return await self.state(name)

    async def keep_up(self) -> None:
        """Ask servers that never told their tools, for ever: the first list that comes is pinned."""
        pause = _FIRST_PAUSE
        while True:
            silent = [name for name in sorted(self._personas) if not await self._first_list(name)]
            pause = min(2 * pause, _LONGEST_PAUSE) if silent else _FIRST_PAUSE
            await anyio.sleep(pause)

    async def _first_list(self, name: str) -> bool:
        """Tell whether the tools of a server are known now."""
        server = self._servers.by_name[name]
        if self._pins is None or await anyio.to_thread.run_sync(self._pin, name, server) is not None:
            return True
        try:
            tools = await self._listed(name, server)
        except RepertoryError as error:
            _LOG.warning("the MCP server %r does not tell its tools (%s); it is asked again", name, error.code)
            return False
        await anyio.to_thread.run_sync(lambda: self._put(name, server.url, tools, "first use"))
        _LOG.info("the MCP server %r told %d tools, which are pinned", name, len(tools))
        return True

    async def _listed(self, name: str, server: McpServer) -> tuple[ToolDefinition, ...]:
        persona = self._personas.get(name, PersonaId(next(iter(server.personas or ()), "")))
        return await (await self._connection(server, persona)).list_tools()

    async def _connection(self, server: McpServer, persona: PersonaId) -> "Connection":
        credentials = self._credentials(server, persona)
        transport = GuardedTransport(self._grants, resolver=self._resolver)
        made = await anyio.to_thread.run_sync(_connection_class)  # nobody else waits for the import
        return made(server.url, credentials, transport, server.seconds)

    def _credentials(self, server: McpServer, persona: PersonaId) -> Credentials:
        url, found = httpx.URL(server.url), []
        for name in server.secrets:
            secret = self._secrets.get(name, persona, url, self._grants)
            if isinstance(secret, ClientCredentials | AuthorizationCode):
                raise SecretRefused(
                    f"The secret {name!r} is of the kind {secret.kind}, which no MCP server is sent. "
                    "Use `bearer`, `basic`, or `api_key` in a header."
                )
            found.append(of_secret(secret))
        return together(found)

    def _pin(self, name: str, server: McpServer) -> PinState | None:
        return self._pins.get(name, server.url) if self._pins else None

    def _put(self, name: str, url: str, tools: Iterable[ToolDefinition], by: str) -> None:
        if self._pins is not None:
            self._pins.put(name, url, tuple(tools), by=by)


def _connection_class() -> "type[Connection]":
    from actions.mcp.connection import Connection

    return Connection


def _state(pinned: str | None, now: str | None) -> ToolState:
    if pinned is None:
        return ToolState.NEW
    if now is None:
        return ToolState.GONE
    return ToolState.ACCEPTED if now == pinned else ToolState.CHANGED
