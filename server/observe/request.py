"""What is known of the HTTP request that is served now, wherever in the server somebody asks.

The one context variable of the server. Holds ids and words of ours; must never hold a body.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from starlette.datastructures import Headers

_HARMLESS = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")


@dataclass(slots=True)
class RequestNote:
    """One request.

    Attributes:
        id: what `x-request-id` tells the client.
        headers: as they came.
        status: of the response, once it has begun.
        error: code of the error that the client was told, before or in mid-answer.
        outgoing: headers with the trace context that requests to the engine carry at the moment.
    """

    id: str
    headers: Headers = field(default_factory=Headers)
    status: int | None = None
    error: str | None = None
    outgoing: Mapping[str, str] = field(default_factory=dict)

    @property
    def client_id(self) -> str | None:
        """The client's own name for the request, if it can be logged as it is."""
        name = self.headers.get("x-client-request-id") or self.headers.get("x-request-id") or ""
        return name if _HARMLESS.fullmatch(name) else None


_current: ContextVar[RequestNote | None] = ContextVar("request", default=None)


def current_request() -> RequestNote | None:
    """Return the note of the request that is served now; None outside of requests."""
    return _current.get()


@contextmanager
def noted(note: RequestNote) -> Iterator[RequestNote]:
    """Make `note` the current one, also for tasks and threads that begin inside."""
    token = _current.set(note)
    try:
        yield note
    finally:
        _current.reset(token)


def outgoing_headers() -> Mapping[str, str]:
    """Return the headers that tell another service which trace its work belongs to."""
    note = _current.get()
    return {} if note is None else note.outgoing


def note_error(code: str) -> None:
    """Note the code of the error that the client is told."""
    note = _current.get()
    if note is not None:
        note.error = code
