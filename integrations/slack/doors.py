"""The two ways in which Slack delivers: a web socket that we open, or signed HTTP requests."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from pydantic import SecretStr
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

from core.errors import Conflict

logger = logging.getLogger(__name__)
_PING_SECONDS = 5.0
_MOST_BYTES = 1_000_000


@asynccontextmanager
async def socket_door(bolt: AsyncApp, token: SecretStr) -> AsyncIterator[None]:
    """Keep a web socket to Slack open, and open a new one where it breaks."""
    handler = AsyncSocketModeHandler(bolt, token.get_secret_value(), ping_interval=_PING_SECONDS)
    connecting = asyncio.create_task(_connected(handler))
    try:
        yield
    finally:
        connecting.cancel()
        await handler.close_async()  # type: ignore[no-untyped-call]


async def _connected(handler: AsyncSocketModeHandler) -> None:
    """Open the web socket; it is tried until Slack is there."""
    await handler.connect_async()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def http_door(bolts: Mapping[str, AsyncApp], host: str, port: int) -> AsyncIterator[int]:
    """Serve `/slack/{app}/events`, for events, commands and buttons alike; yield the port.

    Raises:
        Conflict: the port is taken.
    """

    async def receive(request: web.Request) -> web.Response:
        bolt = bolts.get(request.match_info["app"])
        if bolt is None:
            return web.Response(status=404)
        answer = await bolt.async_dispatch(await to_bolt_request(request))
        return await to_aiohttp_response(answer)

    site = web.Application(client_max_size=_MOST_BYTES)
    site.router.add_post("/slack/{app}/events", receive)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    try:
        server = web.TCPSite(runner, host, port)
        try:
            await server.start()
        except OSError as error:
            raise Conflict(
                f"Cannot listen on {host}:{port}: {error.strerror}. Set REPERTORY_SLACK_PORT to a free port.",
                code="port_in_use",
            ) from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
