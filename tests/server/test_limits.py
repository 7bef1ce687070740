"""Limits of keys: what is let in, what is counted, and what survives clocks, crowds and restarts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import openai
import pytest

from core.ids import PrincipalId
from core.principal import Limits, Principal, Scope
from server.usage.admission import Admission
from server.usage.answers import duration, limit_headers
from server.usage.counts import Counts
from server.usage.ledger import Ledger
from server.usage.limit import LimitReached
from server.usage.meter import Meter
from tests.databases import new_database
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start

pytestmark = pytest.mark.anyio
MORNING = 1_800_000_000.0
"""2027-01-15, 8 o'clock."""
DAY = 86_400.0
CHAT = {"model": "plain", "messages": [{"role": "user", "content": "Hi"}]}


class Stage:
    """A meter whose clocks a test moves."""

    def __init__(self, path: Path) -> None:
        self.wall, self.ticks = MORNING, 50.0
        self.path = path
        self.database = new_database(path)
        self.ledger = Ledger(self.database)
        self.meter = Meter(self.ledger, lambda: self.wall, lambda: self.ticks)

    def restarted(self) -> "Stage":
        self.database.close()
        return Stage(self.path)

    def let_in(self, holder: Principal, times: int = 1, **tokens: int) -> list[Admission]:
        return [self.meter.admit(holder, "plain", **({"prompt": 1} | tokens)) for _ in range(times)]

    def refused(self, holder: Principal) -> LimitReached:
        with pytest.raises(LimitReached) as caught:
            self.meter.admit(holder, "plain", prompt=1)
        return caught.value


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "usage.db")


def holder(**limits: int) -> Principal:
    return Principal(PrincipalId("key:ada"), frozenset({Scope.CHAT}), None, Limits(**limits))


def used(tokens: int) -> Counts:
    return Counts(requests=1, completion_tokens=tokens)


def test_requests_a_minute_come_back_one_by_one(stage: Stage) -> None:
    ada = holder(requests_per_minute=10)
    stage.let_in(ada, 10)
    error = stage.refused(ada)
    assert (error.code, error.retry_after) == ("rate_limit_exceeded", 6)
    assert "10 requests per minute" in error.message
    assert "6 s" in error.message
    stage.ticks += 5.9
    stage.refused(ada)
    stage.ticks += 0.1
    stage.let_in(ada)
    stage.refused(ada)
    stage.ticks += 60
    stage.let_in(ada, 10)


def test_one_holders_limit_is_not_anothers(stage: Stage) -> None:
    ada, bob = holder(requests_per_minute=1), replace(holder(requests_per_minute=1), id=PrincipalId("key:bob"))
    stage.let_in(ada)
    stage.refused(ada)
    stage.let_in(bob)
    stage.let_in(replace(ada, id=PrincipalId("key:free"), limits=Limits()), 100)


def test_a_request_reserves_its_longest_answer_and_gives_back_what_it_did_not_need(stage: Stage) -> None:
    ada = holder(tokens_per_minute=100)
    first, second = stage.let_in(ada, 2, prompt=10, answer=40)
    error = stage.refused(ada)
    assert (error.code, error.retry_after) == ("rate_limit_exceeded", 1)
    assert "under way" in error.message
    first.ended(used(5))
    second.ended(used(5))
    assert [one.left for one in stage.meter.standings(ada)] == [90]


def test_one_answer_may_pass_a_limit_and_the_next_waits_for_it(stage: Stage) -> None:
    ada = holder(tokens_per_minute=60)
    (only,) = stage.let_in(ada, prompt=10)
    only.ended(used(90))
    assert stage.refused(ada).retry_after == 31
    stage.ticks += 31
    stage.let_in(ada)


def test_a_days_requests_count_at_once_and_are_open_again_at_midnight(stage: Stage) -> None:
    ada = holder(requests_per_day=3)
    stage.let_in(ada)[0].ended(used(1))
    stage.let_in(ada, 2)
    error = stage.refused(ada)
    assert (error.code, error.retry_after) == ("insufficient_quota", 16 * 3600)
    assert "3 requests per day" in error.message
    stage.wall += 16 * 3600
    stage.let_in(ada, 1)


def test_a_days_tokens_are_used_up_only_by_what_was_really_used(stage: Stage) -> None:
    ada = holder(tokens_per_day=100)
    (running,) = stage.let_in(ada, prompt=10, answer=500)
    assert stage.refused(ada).code == "rate_limit_exceeded"
    running.ended(used(30))
    stage.let_in(ada)[0].ended(used(70))
    assert stage.refused(ada).code == "insufficient_quota"


def test_the_longest_wait_is_told_where_several_limits_are_reached(stage: Stage) -> None:
    ada = holder(requests_per_minute=1, requests_per_day=1)
    stage.let_in(ada)[0].ended(used(1))
    assert stage.refused(ada).code == "insufficient_quota"


def test_a_days_count_survives_a_restart(stage: Stage) -> None:
    ada = holder(requests_per_day=2, tokens_per_day=1000)
    stage.let_in(ada)[0].ended(used(600))
    stage.ledger.write()
    again = stage.restarted()
    again.let_in(ada)[0].ended(used(600))
    assert "requests per day" in again.refused(ada).message
    again.ledger.write()
    assert again.restarted().refused(ada).code == "insufficient_quota"


def test_a_wall_clock_that_jumps_neither_opens_nor_closes_the_gate_for_good(stage: Stage) -> None:
    ada = holder(requests_per_minute=2, requests_per_day=1)
    stage.let_in(ada)[0].ended(used(1))
    for jump in (400 * DAY, -800 * DAY):
        stage.wall = MORNING + jump
        stage.ticks += 60
        stage.let_in(ada)[0].ended(used(1))
        stage.refused(ada)
    stage.wall = MORNING
    assert stage.refused(ada).code == "insufficient_quota"
    stage.wall = MORNING + DAY
    stage.let_in(ada)


def test_a_changed_limit_holds_from_the_next_request_on(stage: Stage) -> None:
    stage.let_in(holder(requests_per_minute=2), 2)
    stage.refused(holder(requests_per_minute=2))
    stage.let_in(holder(requests_per_minute=5), 3)
    stage.refused(holder(requests_per_minute=5))
    stage.let_in(holder())


def test_every_refusal_is_counted_and_uses_nothing_up(stage: Stage) -> None:
    ada = holder(requests_per_day=1)
    stage.let_in(ada)[0].ended(used(1))
    for _ in range(3):
        stage.refused(ada)
    counts = stage.ledger.of_day("2027-01-15", ada.id)
    assert (counts.requests, counts.refused) == (1, 3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.02, "20ms"), (1, "1s"), (7.456, "7.46s"), (360, "6m0s"), (86_341, "23h59m1s"), (3600, "1h0m0s")],
)
def test_times_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_minutes_limit_stands_in_the_headers_before_a_days(stage: Stage) -> None:
    ada = holder(requests_per_minute=5, requests_per_day=50, tokens_per_day=500)
    headers = limit_headers(stage.meter.standings(ada))
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-limit-tokens"]) == ("5", "500")


def limited(gateway: Gateway, **limits: int) -> str:
    """Return the secret of a key with these limits, in a gateway whose minutes stand still."""
    meter = Meter(gateway.services.meter.ledger, gateway.services.clock, lambda: 50.0)
    gateway.app.state.services = replace(gateway.services, meter=meter)
    return gateway.services.keys.create("ada", [Scope.CHAT, Scope.KNOWLEDGE], None, Limits(**limits))[1]


@pytest.mark.parametrize("limit", ["requests_per_minute", "requests_per_day"])
async def test_of_fifty_requests_at_once_no_more_than_the_limit_pass(gateway: Gateway, limit: str) -> None:
    statuses: list[int] = []

    async def ask(http: httpx.AsyncClient) -> None:
        statuses.append((await http.post("/v1/chat/completions", json=CHAT)).status_code)

    secret = limited(gateway, **{limit: 7})
    async with gateway.http(authorization=f"Bearer {secret}") as http, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask, http)
    assert sorted(statuses) == [200] * 7 + [429] * 43
    assert len(gateway.engine.requests) == 7


async def test_of_fifty_requests_at_once_tokens_are_passed_by_less_than_one(gateway: Gateway) -> None:
    statuses: list[int] = []

    async def ask(http: httpx.AsyncClient) -> None:
        body = CHAT | {"max_tokens": 99, "stream": True}
        statuses.append((await http.post("/v1/chat/completions", json=body)).status_code)

    secret = limited(gateway, tokens_per_minute=450)
    gateway.engine.will(*[Reply("word " * 99)] * 50)
    async with gateway.http(authorization=f"Bearer {secret}") as http, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask, http)
    assert statuses.count(200) <= 10  # none gives back as much as it reserved: 99 words are two pieces each
    assert statuses.count(200) >= 3
    assert set(statuses) == {200, 429}


async def test_what_a_persona_adds_to_prompts_is_reserved_too(start: Start) -> None:
    statuses: list[int] = []
    wordy = f"id: wordy\nname: Wordy\ninstructions: {'Be kind and plain. ' * 300}\n"
    async with start({"wordy": wordy}) as gateway:
        secret = limited(gateway, tokens_per_minute=1000)

        async def ask(http: httpx.AsyncClient) -> None:
            body = CHAT | {"model": "wordy", "max_tokens": 1}
            statuses.append((await http.post("/v1/chat/completions", json=body)).status_code)

        gateway.engine.will(*[Reply(pause=0.2)] * 20)
        async with gateway.http(authorization=f"Bearer {secret}") as http, anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask, http)
    assert sorted(statuses) == [200] + [429] * 19


async def test_leaving_a_whole_answer_costs_all_that_it_could_have_had(gateway: Gateway) -> None:
    boss = gateway.secret("boss", Scope.ADMIN)
    gateway.engine.will(Reply(hangs_after=0))
    body = CHAT | {"max_tokens": 40}
    async with anyio.create_task_group() as group:
        group.start_soon(_asked, gateway, body)
        assert await anyio.to_thread.run_sync(gateway.engine.hanging.wait, 30)
        group.cancel_scope.cancel()
    async with gateway.http(authorization=f"Bearer {boss}") as admin:
        total = (await admin.get("/api/usage")).json()["total"]
    assert (total["abandoned"], total["estimated"], total["completion_tokens"]) == (1, 1, 40)


async def _asked(gateway: Gateway, body: dict[str, Any]) -> None:
    async with gateway.http() as http:
        await http.post("/v1/chat/completions", json=body)


async def test_the_sdk_sees_a_rate_limit_with_its_wait_and_headers(gateway: Gateway) -> None:
    client = gateway.openai(limited(gateway, requests_per_minute=2, tokens_per_minute=5000))
    create: Any = client.chat.completions.with_raw_response.create
    good = await create(**CHAT, max_tokens=100)
    await create(**CHAT, stream=True)
    with pytest.raises(openai.RateLimitError) as caught:
        await create(**CHAT)
    assert good.headers["x-ratelimit-limit-requests"] == "2"
    assert good.headers["x-ratelimit-remaining-requests"] == "1"
    assert good.headers["x-ratelimit-reset-requests"] == "30s"
    assert good.headers["x-ratelimit-limit-tokens"] == "5000"
    assert 4900 < int(good.headers["x-ratelimit-remaining-tokens"]) < 5000
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "rate_limit_exceeded")
    assert caught.value.response.headers["retry-after"] == "30"
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-should-retry" not in caught.value.response.headers


async def test_a_used_up_day_is_no_reason_to_try_again_soon(gateway: Gateway) -> None:
    client = gateway.openai(limited(gateway, tokens_per_day=1))
    create: Any = client.chat.completions.create
    await create(**CHAT, stream=False)
    with pytest.raises(openai.RateLimitError) as caught:
        await client.with_options(max_retries=5).chat.completions.create(**CHAT)  # type: ignore[call-overload]
    assert (caught.value.code, caught.value.type) == ("insufficient_quota", "insufficient_quota")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.response.headers["retry-after"] == str(16 * 3600)


async def test_a_stream_tells_the_limits_and_a_key_without_limits_hears_of_none(gateway: Gateway) -> None:
    secret = limited(gateway, requests_per_day=5)
    async with gateway.http(authorization=f"Bearer {secret}") as http:
        stream = await http.post("/v1/chat/completions", json=CHAT | {"stream": True})
        vectors = await http.post("/v1/embeddings", json={"model": "all-MiniLM-L6-v2", "input": "word"})
    async with gateway.http() as http:
        free = await http.post("/v1/chat/completions", json=CHAT)
    assert stream.headers["x-ratelimit-remaining-requests"] == "4"
    assert stream.headers["x-ratelimit-reset-requests"] == "16h0m0s"
    assert vectors.headers["x-ratelimit-remaining-requests"] == "3"
    assert not [name for name in free.headers if name.startswith("x-ratelimit")]


async def test_programs_without_a_key_share_the_limits_of_the_settings(start: Start) -> None:
    async with start(anonymous_requests_per_day=2) as gateway:
        await gateway.ask("plain", "Hi")
        await gateway.ask("plain", "Hi", key="EMPTY")
        with pytest.raises(openai.RateLimitError):
            await gateway.ask("plain", "Hi")
        await gateway.ask("plain", "Hi", key=gateway.secret("bot", Scope.CHAT))


async def test_what_fails_before_a_persona_is_asked_uses_nothing_up(gateway: Gateway) -> None:
    client = gateway.openai(limited(gateway, requests_per_day=1))
    create: Any = client.chat.completions.create
    with pytest.raises(openai.NotFoundError):
        await create(model="nobody", messages=CHAT["messages"])
    with pytest.raises(openai.BadRequestError):
        await create(**CHAT, temperature=9)
    await create(**CHAT)
