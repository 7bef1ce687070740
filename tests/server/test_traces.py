"""Turns as OpenTelemetry spans at a real collector: what they tell, what they never do, and when it is away."""

import io
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from core.errors import InvalidRequest
from server.observe import logs
from server.observe.collector import MOST_WAITING, Collector
from server.observe.spans import SpanTraces
from server.settings import ROOT
from tests.fakes.crm import Crm, running_crm
from tests.fakes.engine import Reply
from tests.fakes.otlp import Collected, attributes_of, running_collector
from tests.server.conftest import Gateway, Start
from tests.server.test_actions import CLERK, DOCUMENT
from tests.server.test_record import new_record

pytestmark = pytest.mark.anyio
CANARY = "canary4711"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
BODY: dict[str, object] = {"model": "tuned", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def collected() -> Iterator[Collected]:
    with running_collector() as running:
        yield running


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


async def _post(gateway: Gateway, body: dict[str, object], **headers: str) -> None:
    async with gateway.http(**headers) as http:
        await http.post("/v1/chat/completions", json=body)


async def test_a_turn_is_one_span_with_the_attributes_of_the_conventions(
    start: Start, collected: Collected
) -> None:
    async with start(otlp_endpoint=collected.url, otlp_headers="x-team=ours, x-key = s=1") as gateway:
        answer = await gateway.ask("tuned", "Hi")
    span = collected.named("chat tuned")
    told = attributes_of(span)
    assert answer.usage is not None
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.parent_span_id == b""
    assert span.end_time_unix_nano > span.start_time_unix_nano
    assert told.pop("gen_ai.agent.version")
    assert told.pop("repertory.request_id").startswith("req-")
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "repertory",
        "gen_ai.agent.id": "tuned",
        "gen_ai.request.model": "tuned",
        "gen_ai.request.stream": False,
        "gen_ai.response.id": answer.id,
        "gen_ai.response.model": "tuned@3",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "repertory.retrieval": "not_used",
        "repertory.engine_calls": 1,
    }
    assert collected.resource["service.name"] == "repertory"
    assert (collected.headers["x-team"], collected.headers["x-key"]) == ("ours", "s=1")


async def test_retrieval_actions_and_engine_calls_hang_below_their_turn(
    start: Start, collected: Collected, crm: Crm, tmp_path: Path
) -> None:
    (tmp_path / "contacts.yaml").write_text(DOCUMENT)
    persona = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
    async with start({"clerk": persona}, private_hosts=crm.host, otlp_endpoint=collected.url) as gateway:
        gateway.engine.will("look_up", '{"who": "Ada"}', "Done.")
        await gateway.ask("clerk", "Who is Ada?")
        await gateway.stream("librarian", "When does the library open on weekdays?")
    clerk, librarian = collected.named("chat clerk"), collected.named("chat librarian")
    tool, search = collected.named("execute_tool look_up"), collected.named("retrieval")
    calls = [span for span in collected.spans if span.name == "chat base"]
    assert [call.parent_span_id for call in calls] == [clerk.span_id] * 3 + [librarian.span_id]
    assert {call.kind for call in calls} == {Span.SPAN_KIND_CLIENT}
    assert tool.parent_span_id == clerk.span_id
    assert attributes_of(tool)["gen_ai.tool.name"] == "look_up"
    assert attributes_of(tool)["repertory.outcome"] == "done"
    assert search.parent_span_id == librarian.span_id
    assert attributes_of(search) == {
        "gen_ai.operation.name": "retrieval",
        "repertory.outcome": "found",
        "repertory.rewrite": "none",
    }
    assert attributes_of(librarian)["gen_ai.response.time_to_first_chunk"] > 0
    for inner, outer in [(tool, clerk), (search, librarian), *((call, clerk) for call in calls[:3])]:
        assert inner.trace_id == outer.trace_id
        assert outer.start_time_unix_nano <= inner.start_time_unix_nano
        assert inner.start_time_unix_nano <= inner.end_time_unix_nano <= outer.end_time_unix_nano


async def test_a_client_s_trace_goes_on_through_the_turn_to_the_engine(start: Start, collected: Collected) -> None:
    async with start(otlp_endpoint=collected.url) as gateway:
        await _post(gateway, BODY, traceparent=f"00-{TRACE}-{PARENT}-01", tracestate=f"vendor={CANARY}")
        (sent,) = gateway.engine.traceparents
    turn, call = collected.named("chat tuned"), collected.named("chat tuned@3")
    assert (turn.trace_id.hex(), turn.parent_span_id.hex()) == (TRACE, PARENT)
    assert sent == f"00-{TRACE}-{call.span_id.hex()}-01"
    assert CANARY.encode() not in b"".join(collected.raw)


async def test_a_client_that_does_not_sample_is_not_traced_and_the_engine_is_told(
    start: Start, collected: Collected
) -> None:
    async with start(otlp_endpoint=collected.url) as gateway:
        await _post(gateway, BODY, traceparent=f"00-{TRACE}-{PARENT}-00")
        (sent,) = gateway.engine.traceparents
    assert collected.spans == []
    assert sent is not None
    assert sent.startswith(f"00-{TRACE}-")
    assert sent.endswith("-00")


async def test_a_broken_trace_context_begins_a_trace_of_our_own(start: Start, collected: Collected) -> None:
    broken = ["", "00-zz-zz-01", f"00-{'0' * 32}-{PARENT}-01", CANARY, "x" * 5000]
    async with start(otlp_endpoint=collected.url) as gateway:
        for header in broken:
            await _post(gateway, BODY, traceparent=header)
    turns = [span for span in collected.spans if span.name == "chat tuned"]
    assert [span.parent_span_id for span in turns] == [b""] * len(broken)
    assert len({span.trace_id for span in turns}) == len(broken)


async def test_a_share_of_nothing_traces_nothing(start: Start, collected: Collected) -> None:
    async with start(otlp_endpoint=collected.url, trace_ratio=0) as gateway:
        await _post(gateway, BODY)
    assert collected.spans == []


async def test_a_failed_turn_has_the_code_of_its_error(start: Start, collected: Collected) -> None:
    async with start(otlp_endpoint=collected.url) as gateway:
        gateway.engine.will(Reply("one two three", dies_after=2))
        with pytest.raises(openai.APIError):
            await gateway.stream("plain", "Hi")
    for name in ("chat plain", "chat base"):
        span = collected.named(name)
        assert span.status.code == Status.STATUS_CODE_ERROR
        assert span.status.message == ""
        assert attributes_of(span)["error.type"] == "upstream_failed"


async def test_no_span_holds_a_text(start: Start, collected: Collected, crm: Crm, tmp_path: Path) -> None:
    (tmp_path / "contacts.yaml").write_text(DOCUMENT)
    persona = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
    async with start({"clerk": persona}, private_hosts=crm.host, otlp_endpoint=collected.url) as gateway:
        gateway.engine.will(
            "look_up", f'{{"who": "{CANARY}"}}', CANARY, CANARY, Reply(CANARY, status=400, message=CANARY)
        )
        for model in ("clerk", "librarian", "plain"):
            messages = [{"role": "user", "content": f"{CANARY} library open weekdays"}]
            await _post(
                gateway, {"model": model, "messages": messages, "user": CANARY, "stream": model == "librarian"}
            )
    assert {span.name for span in collected.spans} >= {"chat clerk", "chat librarian", "execute_tool look_up"}
    assert CANARY.encode() not in b"".join(collected.raw)


async def test_without_an_endpoint_no_trace_context_is_sent(gateway: Gateway) -> None:
    await _post(gateway, BODY, traceparent=f"00-{TRACE}-{PARENT}-01")
    assert gateway.engine.traceparents == [None]


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys, server.assembly, server.app; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


async def test_a_collector_that_is_away_or_hangs_fails_no_turn_and_is_complained_of_once(
    start: Start,
    kept_logging: None,
) -> None:
    stream = io.StringIO()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"
        async with start(otlp_endpoint=url) as gateway:
            logs.set_up("DEBUG", "text", stream)
            for _ in range(3):
                await gateway.ask("plain", "Hi")
    assert stream.getvalue().count("turn completion=") == 3
    assert stream.getvalue().count("Traces do not reach") <= 1
    assert "opentelemetry" not in stream.getvalue()


def test_what_does_not_arrive_is_said_once_and_so_is_that_it_does_again(
    collected: Collected,
    kept_logging: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    collected.status = 400
    traces = SpanTraces(collected.url, "", 1.0)
    for status in (400, 400, 200, 200):
        collected.status = status
        record = new_record()
        traces.begin(record)
        assert record.watcher is not None
        record.watcher.finished(record)
        traces.flush()
    traces.close()
    said = [entry.getMessage() for entry in caplog.records if entry.name == "server.observe.collector"]
    assert said == [
        "Traces do not reach 127.0.0.1. They are dropped until they do.",
        "Traces reach 127.0.0.1 again.",
    ]
    assert len(collected.spans) == 2


def test_what_waits_for_a_collector_is_bounded(collected: Collected, kept_logging: None) -> None:
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    collected.open.clear()
    traces = SpanTraces(collected.url, "", 1.0)
    for _ in range(2 * MOST_WAITING):
        record = new_record()
        traces.begin(record)
        assert record.watcher is not None
        record.watcher.finished(record)
    collected.open.set()
    traces.flush()
    traces.close()
    assert 0 < len(collected.spans) <= MOST_WAITING + 256, "the queue, and the batch that was under way"


@pytest.mark.parametrize("headers", ["novalue", "=x", "a=b,c"])
def test_headers_that_cannot_be_read_are_refused_without_being_shown(headers: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Collector("http://127.0.0.1:1/v1/traces", headers)
    assert "REPERTORY_OTLP_HEADERS" in caught.value.message
    assert headers not in caught.value.message
