"""What may be carried in: JSON or multipart, up to the size limit. Reads headers and counts bytes only."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import InvalidRequest, RepertoryError, TooLarge
from server.wire import error_response

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class BodyGuard:
    """Refuses bodies that are too large, or that a plain web form could have sent.

    Args:
        app: what is guarded.
        max_bytes: largest body.
        uploads: path → largest body there, where files are taken in.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, uploads: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._uploads = dict(uploads or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse its body."""
        if scope["type"] != "http" or scope["method"] not in _BODY_METHODS:
            await self._app(scope, receive, send)
            return
        most = self._uploads.get(scope["path"], self._max_bytes)
        if refusal := self._refusal(Headers(scope=scope), most):
            await error_response(refusal)(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise self._too_large(most)
            return message

        await self._app(scope, counted, send)

    def _refusal(self, headers: Headers, most: int) -> RepertoryError | None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            return self._too_large(most)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type in ("application/json", "multipart/form-data"):
            return None
        if not media_type and length == "0" and "transfer-encoding" not in headers:
            return None
        return InvalidRequest(
            f"Bodies of type {media_type!r} are not read. Send JSON with the header "
            "'content-type: application/json'.",
            code="unsupported_media_type",
        )

    def _too_large(self, most: int) -> TooLarge:
        setting = "REPERTORY_MAX_BODY_BYTES" if most == self._max_bytes else "REPERTORY_MAX_FILE_BYTES"
        return TooLarge(f"The body is larger than {most} bytes. Send less, or raise {setting}.")
