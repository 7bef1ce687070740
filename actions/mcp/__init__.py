"""Tools of MCP servers, offered under the same policy as operations of OpenAPI documents."""

from actions.mcp.config import McpServer, McpServers
from actions.mcp.pins import PinState, ToolPins
from actions.mcp.toolbox import ServerState, Toolbox, ToolState

__all__ = ["McpServer", "McpServers", "PinState", "ServerState", "ToolPins", "ToolState", "Toolbox"]
