"""The road of the official MCP client into the network: its requests go through our guard, within our limits.

That client speaks httpx2, our guard httpx. Owns the translation between the two and the limit on bytes.
"""

from collections.abc import AsyncIterator

import httpx
import httpx2

from actions.credentials import Credentials


class GuardedBridge(httpx2.AsyncBaseTransport):
    """Sends requests through `inner`, an httpx transport that judges addresses.

    Args:
        inner: the guarded transport.
        credentials: what is sent along; added here, so that no log line of the client's holds it.
        max_bytes: largest answer; a longer one breaks the connection.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, credentials: Credentials, max_bytes: int) -> None:
        self._inner = inner
        self._credentials = credentials
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request.

        Raises:
            AddressRefused: the guard does not let the address be reached.
            httpx2.TransportError: nothing answers, or the connection breaks.
        """
        content = await request.aread()
        ours = httpx.Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=content,
            extensions=dict(request.extensions),
        )
        try:
            response = await self._inner.handle_async_request(self._credentials.added_to(ours))
        except httpx.TransportError as error:
            raise _translated(error) from error
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("The answer is encoded, which was not asked for.")
        return httpx2.Response(
            response.status_code,
            headers=response.headers.raw,
            stream=_Answer(response, self._max_bytes),
            extensions={},
        )

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


class _Answer(httpx2.AsyncByteStream):
    def __init__(self, response: httpx.Response, max_bytes: int) -> None:
        self._response = response
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.aiter_raw():
                self._left -= len(chunk)
                if self._left < 0:
                    raise httpx2.ReadError("The answer is too long.")
                yield chunk
        except httpx.TransportError as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        await self._response.aclose()


def _translated(error: httpx.TransportError) -> httpx2.TransportError:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return httpx2.ConnectError(str(error))
    return (
        httpx2.ReadTimeout(str(error))
        if isinstance(error, httpx.TimeoutException)
        else httpx2.ReadError(str(error))
    )
