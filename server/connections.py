"""One client's connection, and how long it may keep the server waiting. Knows HTTP's outside, no request's inside.

uvicorn waits without end for the rest of a request and for a client that does not read. Here each of these
ends after `patience` seconds; a client that is slow but goes on reading is left alone.
"""

import asyncio
from typing import Any, ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from core.errors import InvalidRequest
from server.wire import error_body


def connections(patience: float) -> type[asyncio.Protocol]:
    """Return the protocol class for `uvicorn.Config(http=…)`.

    Args:
        patience: seconds for the head of a request, between two pieces of its body, and for reading
            something of an answer.
    """
    return type("PatientConnection", (_Connection,), {"patience": patience})


class _Connection(HttpToolsProtocol):
    patience: ClassVar[float] = 60.0

    _sending: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None
    _unread = 0
    _head_begun = False

    # What the client owes us: a head, a body

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401, RUF100  as uvicorn has it
        super().connection_made(transport)
        self._await_client()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_begun = True
        self._await_client()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_begun = False
        self._await_client()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._await_client()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._forgive()

    def _await_client(self) -> None:
        self._forgive()
        self._sending = self.loop.call_later(self.patience, self._not_sent)

    def _forgive(self) -> None:
        if self._sending is not None:
            self._sending.cancel()

    def _not_sent(self) -> None:
        """End a connection whose client stopped before its request was whole."""
        if self.transport.is_closing():
            return
        if self.flow.read_paused:  # it is us who do not read
            self._await_client()
            return
        fresh = not self._head_begun and self.cycle is None
        answered = not self._head_begun and self.cycle is not None and self.cycle.response_started
        if fresh or answered:
            self._close()
            return
        self._refuse(408, f"The request was not complete after {self.patience:g} s.", "request_timeout")

    # What it owes us: reading

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(self.patience, self._not_read)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()

    def _not_read(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread >= self._unread:
            self.transport.abort()  # to the turn it is a client that left
            return
        self._unread = unread
        self._reading = self.loop.call_later(self.patience, self._not_read)

    # The end

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._sending, self._reading):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        if not self.transport.is_closing():
            self._close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, f"{msg} It does not follow HTTP/1.1.", "invalid_http")

    def _refuse(self, status: int, message: str, code: str) -> None:
        body = orjson.dumps(error_body(InvalidRequest(message, code=code)))
        length = str(len(body)).encode()
        head = [STATUS_LINE[status], b"content-type: application/json\r\nconnection: close\r\n"]
        self.transport.write(b"".join([*head, b"content-length: ", length, b"\r\n\r\n", body]))
        self._close()

    def _close(self) -> None:
        """Close, but do not wait for ever until the client has read the rest."""
        self.transport.close()
        self.loop.call_later(self.patience, self.transport.abort)
