"""Connections to engines, kept between requests; dialled by address, over a socket or the network.

Knows addresses and how long a connection may idle, never what is asked over it.
"""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from core.errors import InternalError
from server.engine.connection import ConnectionBroken, EngineConnection

_CONNECT_SECONDS = 5.0
IDLE_SECONDS = 3.0
"""How long a connection may idle: vLLM closes after five, and must not do so just when a request is on its way."""

_CLOSED_SECONDS = 0.25  # a connection that the engine has closed before says so at once
_PORTS = {"http": 80, "https": 443}


class EngineAddress:
    """One base URL, taken apart.

    Args:
        url: base URL without `/v1`.
        socket: unix socket to connect through instead of the URL's host.
        api_key: key that the engine asks for.

    Raises:
        InternalError: the URL is no address.
    """

    def __init__(self, url: str, socket: Path | None, api_key: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise InternalError(f"{url!r} is no engine address. Correct REPERTORY_ENGINE_URL.")
        self.host, self.port = parts.hostname, parts.port or _PORTS[parts.scheme]
        self.socket = None if socket is None else str(socket)
        self.tls: ssl.SSLContext | None = (
            httpx.create_ssl_context(trust_env=False) if parts.scheme == "https" else None
        )
        self._prefix = parts.path.rstrip("/")
        lines = [f"host: {parts.netloc.rpartition('@')[2]}", "content-type: application/json"]
        if api_key:
            lines.append(f"authorization: Bearer {api_key}")
        elif parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            lines.append(f"authorization: Basic {base64.b64encode(pair.encode()).decode()}")
        self._lines = "".join(f"{line}\r\n" for line in lines)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Return a whole request. A header that could end its line and begin another is left out."""
        told = (
            f"{name}: {value}\r\n" for name, value in headers.items() if value.isascii() and value.isprintable()
        )
        lines = self._lines + "".join(told)
        head = f"POST {self._prefix}{path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        return head.encode("latin-1") + body


class EnginePool:
    """Connections to one address."""

    def __init__(self, address: EngineAddress) -> None:
        self._address = address
        self._idle: list[tuple[EngineConnection, float]] = []
        self._all: set[EngineConnection] = set()

    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str], limit: float
    ) -> tuple[EngineConnection, int]:
        """Send a request and return the connection that carries the answer, and the answer's status.

        A kept connection may have been closed while the request was on its way; then a new one is dialled. Only
        then: an engine that breaks off later has worked on the request, and must not be asked again unseen.

        Raises:
            OSError: nobody takes the connection (TimeoutError included).
            ConnectionBroken, EngineSilent: no answer came.
        """
        request = self._address.post(path, body, headers)
        now = asyncio.get_running_loop().time
        while (kept := self._kept()) is not None:
            begun = now()
            try:
                return kept, await self._sent(kept, request, limit)
            except ConnectionBroken:
                if now() - begun > _CLOSED_SECONDS:
                    raise
        fresh = await self._dialled()
        return fresh, await self._sent(fresh, request, limit)

    def close(self) -> None:
        """Close every connection."""
        self._idle.clear()
        for connection in tuple(self._all):
            connection.close()

    def _kept(self) -> EngineConnection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection, since = self._idle.pop()
            if connection.open and now - since < IDLE_SECONDS:
                return connection
            connection.close()
        return None

    async def _dialled(self) -> EngineConnection:
        loop, address = asyncio.get_running_loop(), self._address

        def made() -> EngineConnection:
            return EngineConnection(loop, self._keep, self._all.discard)

        async with asyncio.timeout(_CONNECT_SECONDS):
            if address.socket is not None:
                _, connection = await loop.create_unix_connection(made, address.socket)
            else:
                _, connection = await loop.create_connection(made, address.host, address.port, ssl=address.tls)
        self._all.add(connection)
        return connection

    async def _sent(self, connection: EngineConnection, request: bytes, limit: float) -> int:
        try:
            return await connection.send(request, limit)
        except BaseException:
            connection.release(whole=False)
            raise

    def _keep(self, connection: EngineConnection) -> None:
        now = asyncio.get_running_loop().time()
        while self._idle and now - self._idle[0][1] >= IDLE_SECONDS:
            self._idle.pop(0)[0].close()
        self._idle.append((connection, now))
