"""The outermost layer: gives each request its id and turns what nobody caught into an error body."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import RepertoryError
from core.ids import new_id
from server.wire import error_response, unexpected


class Edge:
    """Sends `x-request-id` with every response and never lets an exception through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id("req")
        started = False

        async def tagged(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers.setdefault("x-content-type-options", "nosniff")
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        except RepertoryError as error:
            if started:
                raise
            await error_response(error)(scope, receive, tagged)
        except Exception as error:
            failure = unexpected(error, request_id)
            if not started:
                await error_response(failure)(scope, receive, tagged)
