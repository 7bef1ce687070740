"""Sending spans to a collector in the background, within bounds, and saying so once when that fails.

With `server.observe.spans` the only owner of OpenTelemetry.
"""

import logging
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from core.errors import InvalidRequest

MOST_WAITING = 2048
_BATCH = 256
_EVERY_MILLISECONDS = 2_000
_SEND_SECONDS = 5
_CLOSE_SECONDS = 3

_LOG = logging.getLogger(__name__)


class Collector:
    """One collector, and the queue before it.

    Args:
        endpoint: whole URL for traces.
        headers: `name=value`, comma-separated; may hold a secret.
    """

    def __init__(self, endpoint: str, headers: str) -> None:
        session = requests.Session()
        session.trust_env = False  # neither proxies nor passwords of the environment
        self._exporter = _Reported(
            OTLPSpanExporter(
                endpoint=endpoint,
                headers=_parsed(headers),
                timeout=_SEND_SECONDS,
                compression=Compression.Gzip,
                session=session,
            ),
            urlsplit(endpoint).hostname or "the collector",
        )
        self.processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=MOST_WAITING,
            schedule_delay_millis=_EVERY_MILLISECONDS,
            max_export_batch_size=_BATCH,
        )

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        ending = threading.Thread(target=self.processor.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(_CLOSE_SECONDS)
        if ending.is_alive():
            self._exporter.shutdown()


class _Reported(SpanExporter):
    """Passes spans on; says once that they do not arrive, and once that they do again."""

    def __init__(self, inner: SpanExporter, place: str) -> None:
        self._inner = inner
        self._place = place
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch."""
        result = self._inner.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            _LOG.warning("Traces do not reach %s. They are dropped until they do.", self._place)
        if self._failing and not failed:
            _LOG.warning("Traces reach %s again.", self._place)
        self._failing = failed
        return result

    def shutdown(self) -> None:
        """Give up what is being sent."""
        self._inner.shutdown()


def _parsed(headers: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in headers.split(",") if pair.strip()]
    if any(not (name.strip() and equals) for name, equals, _ in pairs):
        raise InvalidRequest("REPERTORY_OTLP_HEADERS must look like `name=value,other=value`.")
    return {name.strip(): value.strip() for name, _, value in pairs}
