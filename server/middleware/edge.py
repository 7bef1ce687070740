"""The outermost layer: gives each request its id, has it counted, turns what nobody caught into an error body."""

from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import RepertoryError
from core.ids import new_id
from server.observe.request import RequestNote, noted
from server.wire import error_response, unexpected


class RequestCounter(Protocol):
    """Is told of every request. Implemented by the metrics and by test doubles."""

    def begun(self, scope: Scope) -> None:
        """Note a request that has come in."""
        ...

    def ended(self, scope: Scope, note: RequestNote) -> None:
        """Note that it is answered, or that its client has left."""
        ...


class Edge:
    """Sends `x-request-id` with every response and never lets an exception through."""

    def __init__(self, app: ASGIApp, *, counter: RequestCounter) -> None:
        self._app = app
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._counter.begun(scope)
        with noted(RequestNote(new_id("req"), Headers(scope=scope))) as note:
            try:
                await self._serve(note, scope, receive, send)
            finally:
                self._counter.ended(scope, note)

    async def _serve(self, note: RequestNote, scope: Scope, receive: Receive, send: Send) -> None:
        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                note.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = note.id
                headers.setdefault("x-content-type-options", "nosniff")
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        except RepertoryError as error:
            if note.status is not None:
                raise
            await error_response(error)(scope, receive, tagged)
        except Exception as error:
            failure = unexpected(error, note.id)
            if note.status is None:
                await error_response(failure)(scope, receive, tagged)
