"""Talking to one MCP server by the official client. The only file that knows the library.

Each talk is a session of its own: nothing of one caller stays for the next. The client is given no callback, so a
server that asks for a completion, for files or for input of a person is refused.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import httpx2
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    Implementation,
    ListToolsResult,
    PaginatedRequestParams,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)

from actions.credentials import Credentials
from actions.errors import AddressRefused
from actions.json_value import JsonObject
from actions.mcp.bridge import GuardedBridge
from actions.mcp.definition import ToolDefinition
from actions.result import ActionResult, unanswered
from actions.text import MAX_CHARACTERS, cut
from core.errors import UpstreamFailed

MAX_TOOLS = 256
_MAX_PAGES = 32
_MAX_BYTES = 8 * MAX_CHARACTERS
_UNDONE = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND})
_HEADERS = {"User-Agent": "Repertory", "Accept-Encoding": "identity"}
_US = Implementation(name="repertory", version="0.1")


class _Session(ClientSession):
    async def validate_tool_result(self, name: str, result: CallToolResult) -> None:
        """Check nothing: a hostile schema could stall us, and the result is only text for the model."""


class Connection:
    """The way to one server.

    Args:
        url: its endpoint.
        credentials: the secrets that are sent along.
        transport: the guarded transport.
        time_limit: seconds for one talk.
    """

    def __init__(
        self, url: str, credentials: Credentials, transport: httpx.AsyncBaseTransport, time_limit: float
    ) -> None:
        self._url = url
        self._credentials = credentials
        self._transport = transport
        self._time_limit = time_limit

    async def list_tools(self) -> tuple[ToolDefinition, ...]:
        """Return what the server offers, at most `MAX_TOOLS`.

        Raises:
            UpstreamFailed: it does not answer as it should; the message is a sentence.
        """
        try:
            with anyio.fail_after(self._time_limit):
                async with self._session(self._time_limit) as session:
                    return await _listed(session)
        except Exception as error:  # the edge of the action runner: whatever the library makes of a bad answer
            raise UpstreamFailed(_reason(error, self._time_limit), code="mcp_unreachable") from error

    async def call(self, pinned: ToolDefinition, arguments: JsonObject, seconds: float) -> ActionResult:
        """Call a tool if it is still the one that was pinned; word whatever happens for the model."""
        sent, result, limit = False, None, min(seconds, self._time_limit)
        try:
            with anyio.fail_after(limit):
                async with self._session(limit) as session:
                    found = {tool.name: tool for tool in await _listed(session, until=pinned.name)}.get(
                        pinned.name
                    )
                    if found is None or found.digest != pinned.digest:
                        return _changed(pinned.name, gone=found is None)
                    sent = True
                    result = _worded(await session.call_tool(pinned.name, arguments))
        except Exception as error:  # the edge of the action runner
            if result is None:
                return _failed(error, limit, sent=sent)
        return result  # also where the server did not let the session end

    @asynccontextmanager
    async def _session(self, limit: float) -> AsyncIterator[ClientSession]:
        bridge = GuardedBridge(self._transport, self._credentials, _MAX_BYTES)
        async with (
            httpx2.AsyncClient(transport=bridge, headers=_HEADERS, timeout=limit, trust_env=False) as client,
            streamable_http_client(self._url, http_client=client) as (read, write),
            _Session(read, write, read_timeout_seconds=limit, client_info=_US) as session,
        ):
            try:
                await session.discover()
            except MCPError:  # a server of an earlier revision
                await session.initialize()
            yield session


async def _listed(session: ClientSession, *, until: str | None = None) -> tuple[ToolDefinition, ...]:
    tools: dict[str, ToolDefinition] = {}
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page: ListToolsResult = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        for tool in page.tools:
            tools.setdefault(tool.name, _definition(tool))
        cursor = page.next_cursor
        if cursor is None or until in tools or len(tools) >= MAX_TOOLS:
            break
    return tuple(tools.values())[:MAX_TOOLS] if until is None else tuple(tools.values())


def _definition(tool: Tool) -> ToolDefinition:
    hints = tool.annotations.model_dump(mode="json", by_alias=True, exclude_none=True) if tool.annotations else {}
    return ToolDefinition(tool.name, tool.title or "", tool.description or "", tool.input_schema, hints)


def _worded(result: CallToolResult) -> ActionResult:
    parts = [_block(block) for block in result.content]
    if result.structured_content is not None and not any(isinstance(one, TextContent) for one in result.content):
        parts.append(json.dumps(result.structured_content, ensure_ascii=False))
    text = "\n".join(part for part in parts if part.strip())
    if result.is_error:
        return ActionResult(
            cut(f"The tool reports an error:\n{text or 'no words'}", MAX_CHARACTERS), None, ok=False
        )
    return ActionResult(
        cut(text or "The tool answered without content: it is done.", MAX_CHARACTERS), None, ok=True
    )


def _block(block: ContentBlock) -> str:
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, EmbeddedResource):
        held = block.resource
        if isinstance(held, TextResourceContents):
            return held.text
        return f"[a resource of the type {str(held.mime_type)[:60]!r}, which is no text]"
    if isinstance(block, ResourceLink):
        return f"[a link to the resource {str(block.uri)[:200]!r}, which is not opened]"
    return f"[{block.type} of the type {block.mime_type[:60]!r}, which is no text]"


def _changed(name: str, *, gone: bool) -> ActionResult:
    what = "is no longer offered by its server" if gone else "has changed since it was accepted"
    text = f"The call was not made: the tool {name!r} {what}. The operator has been asked to look at it."
    return ActionResult(text, None, ok=False)


def _failed(error: Exception, time_limit: float, *, sent: bool) -> ActionResult:
    inner = _innermost(error)
    if isinstance(inner, AddressRefused):
        return unanswered(f"The service may not be called. {inner.message}", certain=True)
    never = not sent or isinstance(inner, httpx2.ConnectError)
    if isinstance(inner, MCPError) and sent:
        certain = inner.code in _UNDONE
        told = f"The service refused the call ({inner.code}):\n{inner.message}"
        doubt = "" if certain else "\nIt is not known whether it did what was asked."
        return unanswered(cut(told, MAX_CHARACTERS) + doubt, certain=certain)
    reason, trouble = _reason(error, time_limit), isinstance(inner, TimeoutError | httpx2.TransportError)
    if never:
        return unanswered(f"{reason} Nothing was done; try again later.", certain=True, trouble=trouble)
    return unanswered(f"{reason} It is not known whether it did what was asked.", certain=False, trouble=trouble)


def _reason(error: Exception, time_limit: float) -> str:
    inner = _innermost(error)
    if isinstance(inner, AddressRefused):
        return inner.message
    if isinstance(inner, TimeoutError | httpx2.TimeoutException):
        return f"The service did not answer within {round(time_limit, 1):g} seconds."
    if isinstance(inner, httpx2.ConnectError):
        return "The service cannot be reached."
    return "The service did not answer as an MCP server does."


def _innermost(error: BaseException) -> BaseException:
    """Return the first error of a group of a group: the library's task groups wrap what their tasks raise."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
