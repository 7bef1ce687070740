"""`/metrics`: what it counts, by which labels, who may read it, and that it stays cheap."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import openai
import pytest

from core.errors import NotFound, Unavailable
from core.ids import PersonaId
from core.principal import Scope
from server.engine.driver import EngineDriver
from server.engine_port import Answering, Readiness
from server.observe import names
from server.observe.metrics import Metrics
from server.observe.residents import Resident
from server.observe.turns import MOST_VERSIONS
from server.settings import ROOT, Settings
from tests.fakes.crm import Crm, running_crm
from tests.fakes.engine import FakeEngine, FakePlugin, Reply
from tests.server.conftest import LIBRARIAN, Gateway, Start
from tests.server.scrapes import Scrape, scrape
from tests.server.test_actions import CLERK, DOCUMENT
from tests.server.test_record import new_record

pytestmark = pytest.mark.anyio
PLAIN = {"persona": "plain", "adapter": "base"}
TUNED = {"persona": "tuned", "adapter": "tuned@3"}
CHAT = {"method": "POST", "route": "/v1/chat/completions"}


class Driver:
    """An engine's supervisor."""

    restarts = 2

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def metrics(self, engine: int) -> bytes:
        return b"vllm:num_requests_waiting 0.0\n"

    async def residents(self) -> Sequence[Resident]:
        self.asked += 1
        if self.away:
            raise Unavailable("The engine does not answer.")
        return [Resident(0, "tuned@3", True, True), Resident(0, "tuned@2", False, True)]


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


@pytest.fixture
async def clerk(start: Start, crm: Crm, tmp_path: Path) -> AsyncIterator[Gateway]:
    (tmp_path / "contacts.yaml").write_text(DOCUMENT)
    persona = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
    async with start({"clerk": persona}, private_hosts=crm.host) as gateway:
        yield gateway


async def test_turns_and_tokens_are_counted_by_persona_and_adapter_version(gateway: Gateway) -> None:
    gateway.engine.will("one two three", "one two", Reply("one", finish="length"))
    answer = await gateway.ask("plain", "Hi there")
    await gateway.ask("tuned", "Hi")
    await gateway.ask("tuned", "Hi")
    seen, usage = await scrape(gateway), answer.usage
    assert usage is not None
    assert seen.value("request_success_total", **PLAIN, finished_reason="stop") == 1
    assert seen.value("prompt_tokens_total", **PLAIN) == usage.prompt_tokens > 0
    assert seen.value("generation_tokens_total", **PLAIN) == usage.completion_tokens > 0
    assert seen.value("e2e_request_latency_seconds_count", **PLAIN) == 1
    assert seen.value("request_success_total", **TUNED, finished_reason="stop") == 1
    assert seen.value("request_success_total", **TUNED, finished_reason="length") == 1
    assert seen.value("engine_calls_total", **TUNED) == 2


async def test_a_streamed_turn_shows_its_first_token_its_gaps_and_its_wait(gateway: Gateway) -> None:
    gateway.engine.will("one two three")
    chunks = await gateway.stream("plain", "Hi")
    pieces = sum(1 for chunk in chunks if chunk.choices and chunk.choices[0].delta.content)
    seen = await scrape(gateway)
    assert seen.value("time_to_first_token_seconds_count", **PLAIN) == 1
    assert seen.value("engine_wait_seconds_count", **PLAIN) == 1
    assert seen.value("inter_token_latency_seconds_count", **PLAIN) == pieces - 1 > 0
    assert seen.value("inter_token_latency_seconds_bucket", **PLAIN, le="+Inf") == pieces - 1


async def test_a_whole_answer_claims_no_time_to_a_first_token(gateway: Gateway) -> None:
    await gateway.ask("plain", "Hi")
    seen = await scrape(gateway)
    assert seen.value("time_to_first_token_seconds_count", **PLAIN) is None
    assert seen.value("engine_wait_seconds_count", **PLAIN) is None


async def test_a_value_on_a_bound_counts_as_within_it(gateway: Gateway) -> None:
    record = new_record()
    record.first_token, record.seconds = 0.25, 0.3
    gateway.services.metrics.turns.finished(record)
    seen = await scrape(gateway)
    assert seen.value("time_to_first_token_seconds_bucket", **PLAIN, le="0.1") == 0
    assert seen.value("time_to_first_token_seconds_bucket", **PLAIN, le="0.25") == 1
    assert seen.value("time_to_first_token_seconds_sum", **PLAIN) == 0.25
    assert seen.value("e2e_request_latency_seconds_bucket", **PLAIN, le="0.3") == 1


async def test_failures_are_counted_by_code_where_the_turn_and_the_client_see_them(gateway: Gateway) -> None:
    gateway.engine.will(Reply("one two three", dies_after=2), Reply(status=429))
    with pytest.raises(openai.APIError):
        await gateway.stream("plain", "Hi")
    with pytest.raises(openai.RateLimitError):
        await gateway.ask("plain", "Hi")
    seen = await scrape(gateway)
    assert seen.value("request_failure_total", **PLAIN, code="upstream_failed") == 1
    assert seen.value("request_failure_total", **PLAIN, code="rate_limit_exceeded") == 1
    assert seen.value("http_errors_total", code="upstream_failed") == 1, "told in mid-stream"
    assert seen.value("http_errors_total", code="rate_limit_exceeded") == 1
    assert seen.value("http_responses_total", **CHAT, status="200") == 1
    assert seen.value("http_responses_total", **CHAT, status="429") == 1


async def test_a_turn_whose_client_left_is_counted_as_aborted(gateway: Gateway) -> None:
    record = new_record()
    record.abandoned = True
    gateway.services.metrics.turns.finished(record)
    seen = await scrape(gateway)
    assert seen.value("request_aborted_total", **PLAIN) == 1
    assert seen.value("e2e_request_latency_seconds_count", **PLAIN) is None


async def test_words_of_a_client_never_become_labels(gateway: Gateway) -> None:
    async with gateway.http() as http:
        body = {"model": "canary-model", "messages": [{"role": "user", "content": "Hi"}]}
        assert (await http.post("/v1/chat/completions", json=body)).status_code == 404
        assert (await http.get("/canary-path")).status_code == 404
        assert (await http.request("CANARY", "/v1/models")).status_code == 405
        assert (await http.get("/v1/models", headers={"host": "canary.example"})).status_code == 403
    seen = await scrape(gateway)
    assert "canary" not in seen.text.lower()
    assert seen.value("http_errors_total", code="model_not_found") == 1
    assert seen.value("http_errors_total", code="unknown_url") == 1
    assert seen.value("http_responses_total", method="GET", route="other", status="404") == 1
    assert seen.value("http_responses_total", method="GET", route="other", status="403") == 1


async def test_retrieval_is_timed_by_outcome(gateway: Gateway) -> None:
    await gateway.ask("librarian", "When does the library open on weekdays?")
    await gateway.ask("librarian", "zebra quantum")
    gateway.embedder.broken = True
    await gateway.ask("librarian", "When does the library open?")
    seen, who = await scrape(gateway), {"persona": "librarian", "adapter": "base"}
    for outcome in ("found", "nothing_found", "unavailable"):
        assert seen.value("retrieval_seconds_count", **who, outcome=outcome) == 1


async def test_a_refusal_for_want_of_documents_is_a_retrieval_that_was_unavailable(start: Start) -> None:
    refusing = LIBRARIAN.replace("{floor", "{when_unavailable: refuse, floor")
    async with start({"librarian": refusing}) as gateway:
        gateway.embedder.broken = True
        with pytest.raises(openai.InternalServerError):
            await gateway.ask("librarian", "When does the library open?")
        seen = await scrape(gateway)
    who = {"persona": "librarian", "adapter": "base"}
    assert seen.value("retrieval_seconds_count", **who, outcome="unavailable") == 1
    assert seen.value("request_failure_total", **who, code="knowledge_unavailable") == 1


async def test_action_calls_are_timed_by_operation_and_outcome(clerk: Gateway) -> None:
    clerk.engine.will("look_up", '{"who": "Ada"}', "Done.")
    await clerk.ask("clerk", "Who is Ada?")
    seen, who = await scrape(clerk), {"persona": "clerk", "adapter": "base"}
    assert seen.value("action_seconds_count", **who, operation="look_up", state="done") == 1
    assert seen.value("engine_calls_total", **who) == 3


async def test_a_persona_that_is_gone_takes_its_series_along(gateway: Gateway) -> None:
    await gateway.ask("tuned", "Hi")
    assert "tuned" in (await scrape(gateway)).values_of("persona")
    (gateway.personas_dir / "tuned.yaml").unlink()
    assert gateway.services.personas.reload()
    assert "tuned" not in (await scrape(gateway)).values_of("persona")


async def test_only_the_last_adapter_versions_of_a_persona_are_shown(gateway: Gateway) -> None:
    for version in range(1, MOST_VERSIONS + 3):
        record = new_record()
        record.persona, record.adapter = PersonaId("tuned"), f"tuned@{version}"
        gateway.services.metrics.turns.finished(record)
    shown = (await scrape(gateway)).values_of("adapter")
    assert shown == {f"tuned@{version}" for version in range(3, MOST_VERSIONS + 3)}


async def test_the_reasons_of_readyz_are_gauges(gateway: Gateway) -> None:
    before = await scrape(gateway)
    gateway.readiness.append(Readiness(False, "vLLM ended with code -9."))
    after = await scrape(gateway)
    assert (before.value("ready"), before.value("engine_up")) == (1, 1)
    assert (after.value("ready"), after.value("engine_up")) == (0, 0)
    assert after.value("not_ready", reason="engine_unavailable") == 1
    assert after.value("not_ready", reason="knowledge_unavailable") == 0
    assert "code -9" not in after.text


async def test_the_engine_s_adapters_and_restarts_are_shown_and_it_is_not_asked_at_each_scrape(
    gateway: Gateway,
) -> None:
    driver = Driver()
    gateway.services.metrics.attach(driver)
    await scrape(gateway)
    seen = await scrape(gateway)
    assert driver.asked == 1
    assert seen.value("engine_restarts_total") == 2
    tuned = {"engine": "0", "pinned": "true"}
    assert seen.value("adapter_resident", **tuned, adapter="tuned@3", level="slot") == 1
    assert seen.value("adapter_resident", **tuned, adapter="tuned@2", level="memory") == 1


async def test_the_driver_tells_what_its_engines_hold_and_how_often_they_were_lost(
    engine: FakeEngine, tmp_path: Path, anyio_backend: str
) -> None:
    async def nothing_to_load(_driver: EngineDriver) -> None:
        return

    engine.plugin = FakePlugin(resident={"coach@2": True, "coach@1": False})
    driver = EngineDriver(Settings(data_dir=tmp_path, engine_url=(engine.url,)), None, nothing_to_load)
    await driver.start()
    with anyio.fail_after(60):
        await driver.wait_ready()
        assert await driver.residents() == [
            Resident(0, "coach@2", True, True),
            Resident(0, "coach@1", False, False),
        ]
        assert driver.restarts == 0
        assert b"vllm:num_requests_waiting 0.0" in await driver.metrics(0)
        with pytest.raises(NotFound):
            await driver.metrics(1)
        engine.healthy = False
        while driver.restarts == 0:
            await anyio.sleep(0.05)
    assert await driver.residents() == []
    await driver.stop()


async def test_an_engine_that_has_just_gone_does_not_fail_a_scrape(gateway: Gateway) -> None:
    driver = Driver()
    driver.away = True
    gateway.services.metrics.attach(driver)
    assert not (await scrape(gateway)).labels["repertory:adapter_resident"]
    assert driver.asked == 1


async def test_a_chat_turn_that_is_under_way_is_shown_as_running(gateway: Gateway) -> None:
    gateway.engine.will(Reply("one two three", hangs_after=1))
    asking = asyncio.ensure_future(gateway.ask("plain", "Hi"))
    await asyncio.to_thread(gateway.engine.hanging.wait, 30)
    assert (await scrape(gateway)).value("num_requests_running") == 1
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (await scrape(gateway)).value("num_requests_running") == 0


@pytest.mark.parametrize(
    ("settings", "anyone", "chatter"),
    [
        ({}, 200, 200),
        ({"require_keys": True}, 401, 403),
        ({"host": "0.0.0.0"}, 401, 403),
        ({"host": "0.0.0.0", "metrics_open": True}, 200, 200),
    ],
)
async def test_metrics_are_open_only_to_local_programs_unless_the_operator_says_so(
    start: Start, settings: dict[str, Any], anyone: int, chatter: int
) -> None:
    async with start(**settings) as gateway:
        gateway.services.metrics.attach(Driver())
        key = {"authorization": f"Bearer {gateway.secret('bot', Scope.CHAT)}"}
        for path in ("/metrics", "/metrics/engine/0"):
            async with gateway.http() as http:
                assert (await http.get(path)).status_code == anyone
                assert (await http.get(path, headers=key)).status_code == chatter
            async with gateway.admin() as http:
                assert (await http.get(path)).status_code == 200


async def test_a_web_page_cannot_read_the_metrics(gateway: Gateway) -> None:
    async with gateway.http(origin="https://evil.example") as http:
        assert (await http.get("/metrics")).status_code == 403


async def test_two_apps_share_no_number(gateway: Gateway) -> None:
    await gateway.ask("plain", "Hi")
    other = Metrics(
        gateway.services.personas, gateway.services.sync, gateway.services.engine, gateway.services.hosts
    )
    assert Scrape((await other.text()).decode()).value("engine_calls_total", **PLAIN) is None


class _Crowd:
    """A library of very many personas."""

    def __init__(self, ids: list[str]) -> None:
        self.personas = tuple(SimpleNamespace(id=one) for one in ids)
        self.problems = ()


async def test_a_scrape_of_a_thousand_personas_lets_other_work_go_on(gateway: Gateway) -> None:
    crowd: Any = _Crowd([f"p{number}" for number in range(1000)])
    metrics = Metrics(crowd, gateway.services.sync, gateway.services.engine, gateway.services.hosts)
    for persona in crowd.personas:
        record = new_record()
        record.persona = persona.id
        metrics.turns.finished(record)
    rounds, done = 0, asyncio.Event()

    async def others() -> None:
        nonlocal rounds
        while not done.is_set():
            rounds += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(others())
    text = await metrics.text()
    done.set()
    await working
    assert len(set(re.findall(rb'persona="(p[0-9]+)"', text))) == 1000
    assert rounds > 1000


async def test_what_is_shown_is_what_is_declared_and_nothing_else(clerk: Gateway) -> None:
    clerk.services.metrics.attach(Driver())
    clerk.engine.will("look_up", '{"who": "Ada"}', "Done.", Reply("a", status=500), "one two three")
    await clerk.ask("clerk", "Who is Ada?")
    with pytest.raises(openai.APIError):
        await clerk.ask("plain", "Hi")
    await clerk.stream("librarian", "When does the library open on weekdays?")
    await scrape(clerk)
    record = new_record()
    record.abandoned = True
    clerk.services.metrics.turns.finished(record)
    tried = new_record()
    tried.answering = Answering("tuned@4", "canary", "rollout-1", "unit")
    clerk.services.metrics.turns.finished(tried)
    seen = await scrape(clerk)
    declared = {family.name: (family.kind, set(family.labels)) for family in names.FAMILIES}
    shown = {name: (kind, seen.labels[name]) for name, kind in seen.kinds.items() if name.startswith("repertory:")}
    assert shown == declared


async def test_the_documentation_lists_every_metric_and_no_other(gateway: Gateway) -> None:
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `((?:repertory:|process_)\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    written = {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels, _ in rows}
    assert len(written) == len(rows)
    expected: dict[str, tuple[str, list[str]]] = {
        family.name: (family.kind, list(family.labels)) for family in names.FAMILIES
    }
    seen = await scrape(gateway)
    expected |= {name: (kind, []) for name, kind in seen.kinds.items() if name.startswith("process_")}
    assert written == expected
    meanings = {name: meaning for name, _, _, meaning in rows}
    assert {family.name: meanings[family.name] for family in names.FAMILIES} == {
        family.name: family.help for family in names.FAMILIES
    }


async def test_livez_and_readyz_are_counted_by_their_routes(gateway: Gateway) -> None:
    async with gateway.http() as http:
        responses: list[httpx.Response] = [await http.get("/livez"), await http.get("/readyz")]
    assert [response.status_code for response in responses] == [200, 200]
    seen = await scrape(gateway)
    assert seen.value("http_responses_total", method="GET", route="/readyz", status="200") == 1
