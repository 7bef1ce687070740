"""Turns as spans, after OpenTelemetry's conventions for generative AI. Knows ids, counts and times, no text.

A turn's spans are given their parents by hand, never through OpenTelemetry's current context: turns are
generators, which a current context does not survive. Imported only where traces are configured.
"""

import time
from importlib.metadata import PackageNotFoundError, version

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server.observe.collector import Collector
from server.observe.names import BASE
from server.observe.request import RequestNote, current_request
from server.turn.record import TurnRecord

_W3C = TraceContextTextMapPropagator()
_TRACEPARENT = "traceparent"


class SpanTraces:
    """Traces turns and sends their spans to a collector.

    Args:
        endpoint: whole URL of the collector for traces.
        headers: `name=value`, comma-separated.
        ratio: share of turns that are traced, where the client's own context has not decided it.

    Raises:
        InvalidRequest: the headers cannot be read.
    """

    def __init__(self, endpoint: str, headers: str, ratio: float) -> None:
        self._collector = Collector(endpoint, headers)
        resource = Resource({"service.name": "repertory", "service.version": _version()})
        sampler = ParentBased(TraceIdRatioBased(ratio))
        provider = TracerProvider(
            sampler, resource, shutdown_on_exit=False, span_limits=SpanLimits(max_attribute_length=256)
        )
        provider.add_span_processor(self._collector.processor)
        self._tracer = provider.get_tracer("repertory", _version())

    def begin(self, record: TurnRecord) -> None:
        """Begin the span of a turn, below the client's, if it sent its context."""
        note = current_request() or RequestNote("")
        span = self._tracer.start_span(
            f"chat {record.persona}",
            context=_parent(note),
            kind=SpanKind.SERVER,
            attributes=_opening(record, note),
        )
        note.outgoing = _header(span)
        if span.is_recording():
            record.watcher = TurnSpans(self._tracer, span, note, record.adapter or BASE)

    def flush(self) -> None:
        """Send what waits now. Blocking."""
        self._collector.processor.force_flush()

    def close(self) -> None:
        """Send what waits, and stop."""
        self._collector.close()


class TurnSpans:
    """The spans of one turn."""

    def __init__(self, tracer: Tracer, turn: Span, note: RequestNote, model: str) -> None:
        self._tracer = tracer
        self._turn = turn
        self._inside = set_span_in_context(turn, Context())
        self._note = note
        self._model = model
        self._call: Span | None = None
        self._last_frame: int | None = None

    def engine_asked(self) -> None:
        """Begin the span of a call to the engine; the request carries its context."""
        self._end_call()
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm"}
        self._call = self._tracer.start_span(
            f"chat {self._model}",
            context=self._inside,
            kind=SpanKind.CLIENT,
            attributes={**attributes, "gen_ai.request.model": self._model},
        )
        self._note.outgoing = _header(self._call)

    def engine_answers(self) -> None:
        """Note a frame of the engine's: the last one ends the call."""
        self._last_frame = time.time_ns()

    def searched(self, outcome: str, rewrite: str, seconds: float) -> None:
        """Write the span of a search."""
        self._end_call()
        attributes = {"gen_ai.operation.name": "retrieval", "repertory.outcome": outcome}
        self._past("retrieval", seconds, {**attributes, "repertory.rewrite": rewrite})

    def called(self, operation: str, state: str, seconds: float) -> None:
        """Write the span of an action call."""
        self._end_call()
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": operation}
        attributes |= {"gen_ai.tool.type": "extension", "repertory.outcome": state}
        self._past(f"execute_tool {operation}", seconds, attributes)

    def finished(self, record: TurnRecord) -> None:
        """End the turn's span with what is known at its end."""
        self._end_call(record.error)
        tokens = record.tokens()
        span = self._turn
        cached = (tokens.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        span.set_attribute("gen_ai.usage.input_tokens", tokens["prompt_tokens"])
        span.set_attribute("gen_ai.usage.output_tokens", tokens["completion_tokens"])
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", cached)
        span.set_attribute("repertory.retrieval", record.retrieval)
        span.set_attribute("repertory.engine_calls", record.usage.calls)
        if record.finish is not None:
            span.set_attribute("gen_ai.response.finish_reasons", (record.finish,))
        if record.first_token is not None:
            span.set_attribute("gen_ai.response.time_to_first_chunk", record.first_token)
        if record.abandoned:
            span.set_attribute("repertory.abandoned", True)
        _mark(span, record.error)
        span.end()

    def _end_call(self, error: str | None = None) -> None:
        if self._call is not None:
            _mark(self._call, error)
            self._call.end(self._last_frame if error is None else None)
        self._call = self._last_frame = None

    def _past(self, name: str, seconds: float, attributes: dict[str, str]) -> None:
        end = time.time_ns()
        start = end - int(seconds * 1e9)
        span = self._tracer.start_span(name, context=self._inside, attributes=attributes, start_time=start)
        _mark(span, "failed" if attributes["repertory.outcome"] in ("failed", "unavailable") else None)
        span.end(end)


def _opening(record: TurnRecord, note: RequestNote) -> dict[str, str | bool]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "repertory",
        "gen_ai.agent.id": record.persona,
        "gen_ai.agent.version": record.revision,
        "gen_ai.request.model": record.persona,
        "gen_ai.request.stream": record.streamed,
        "gen_ai.response.id": record.completion,
        "gen_ai.response.model": record.adapter or BASE,
        "repertory.request_id": note.id,
    }


def _mark(span: Span, error: str | None) -> None:
    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))


def _parent(note: RequestNote) -> Context:
    """Return the client's trace context; its `tracestate` is free text, so it is not taken along."""
    return _W3C.extract({_TRACEPARENT: note.headers.get(_TRACEPARENT, "")}, Context())


def _header(span: Span) -> dict[str, str]:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, set_span_in_context(span, Context()))
    return {_TRACEPARENT: carrier[_TRACEPARENT]} if _TRACEPARENT in carrier else {}


def _version() -> str:
    try:
        return version("repertory")
    except PackageNotFoundError:
        return "unknown"
