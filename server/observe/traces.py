"""Whether turns are traced, and what the rest of the server knows of it. Imports nothing of OpenTelemetry."""

from typing import Protocol

from server.settings import Settings
from server.turn.record import TurnRecord


class Traces(Protocol):
    """Traces turns. Implemented by `server.observe.spans`."""

    def begin(self, record: TurnRecord) -> None:
        """Begin to trace a turn."""
        ...

    def close(self) -> None:
        """Send what waits, and stop; takes a few seconds at most. Blocking."""
        ...


def traces_of(settings: Settings) -> Traces | None:
    """Return what traces turns, or None where nobody asked for traces.

    Raises:
        InvalidRequest: the headers for the collector cannot be read.
    """
    if settings.otlp_endpoint is None:
        return None
    from server.observe.spans import SpanTraces  # OpenTelemetry costs memory that most never need

    headers = settings.otlp_headers.get_secret_value() if settings.otlp_headers else ""
    return SpanTraces(settings.otlp_endpoint, headers, settings.trace_ratio)
