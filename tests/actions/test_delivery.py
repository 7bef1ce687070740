"""Delivery: which calls are tried again and which never, pauses, limits of a host, and the time of all of it."""

import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest

from actions import (
    ActionConfig,
    ActionResult,
    ActionSet,
    BreakerState,
    HostLimits,
    Hosts,
    NetworkGrants,
    OperationChoice,
    Pauses,
    Secrets,
)
from actions.delivery import Delivery, Terms
from actions.guard import GuardedTransport
from actions.json_value import JsonObject
from actions.pauses import retry_after
from actions.result import answered
from actions.sender import Sender
from core.errors import Unavailable
from core.ids import PersonaId
from tests.actions.documents import document, operation, write
from tests.fakes.crm import BREAKS, Crm, running_crm

METHODS = ("get", "post", "put", "delete")
DOCUMENT = document(
    {
        "/flaky": {method: operation(operationId=method) for method in METHODS},
        "/held": {"get": operation(operationId="held")},
        "/slow": {"get": operation(operationId="slow")},
    }
)
QUICK = Pauses(attempts=3, first=0.001)
LOST = (BREAKS, dict[str, str]())


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running
        running.gate.set()


def _load(
    folder: Path,
    crm: Crm,
    *choices: OperationChoice,
    hosts: Hosts | None = None,
    pauses: Pauses = QUICK,
    time_limit: float = 45,
    content: JsonObject = DOCUMENT,
) -> ActionSet:
    config = ActionConfig(document=write(folder, content, "api.yaml"), server=crm.url, operations=choices or None)
    return ActionSet.load(
        [config],
        root=folder,
        grants=NetworkGrants.parse([crm.host]),
        secrets=Secrets.none(),
        persona=PersonaId("tester"),
        hosts=hosts,
        pauses=pauses,
        time_limit=time_limit,
    )


def _call(
    actions: ActionSet, name: str, *, key: str | None = "call-1", until: float | None = None
) -> ActionResult:
    return anyio.run(lambda: actions.call(name, {}, idempotency_key=key, until=until))


def _harmless(name: str) -> OperationChoice:
    return OperationChoice(id=name, consequential=False)


@pytest.mark.parametrize("trouble", [(429, {}), (502, {}), (503, {}), (504, {}), LOST], ids=str)
def test_reading_is_tried_again_until_it_succeeds(
    tmp_path: Path, crm: Crm, trouble: tuple[int, dict[str, str]]
) -> None:
    crm.planned = [trouble, trouble]

    result = _call(_load(tmp_path, crm), "get")

    assert (result.ok, result.text, len(crm.requests)) == (True, "answered 200", 3)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500, 501])
def test_an_answer_that_another_try_cannot_change_is_taken_at_once(tmp_path: Path, crm: Crm, status: int) -> None:
    crm.planned = [(status, {})]

    assert _call(_load(tmp_path, crm), "get").status == status
    assert len(crm.requests) == 1


@pytest.mark.parametrize("name", ["put", "delete"])
def test_an_idempotent_call_that_nobody_had_to_approve_is_tried_again(tmp_path: Path, crm: Crm, name: str) -> None:
    crm.planned = [LOST]

    assert _call(_load(tmp_path, crm, _harmless(name)), name).ok
    assert len(crm.requests) == 2


@pytest.mark.parametrize("name", ["post", "put", "delete"])
@pytest.mark.parametrize("trouble", [(429, {}), (503, {}), LOST], ids=str)
def test_what_a_person_approved_is_sent_once_without_a_key_that_the_service_knows(
    tmp_path: Path, crm: Crm, name: str, trouble: tuple[int, dict[str, str]]
) -> None:
    crm.planned = [trouble]

    assert not _call(_load(tmp_path, crm), name).ok
    assert len(crm.requests) == 1


def test_a_post_is_not_tried_again_even_where_nobody_had_to_approve(tmp_path: Path, crm: Crm) -> None:
    crm.planned = [LOST]

    result = _call(_load(tmp_path, crm, _harmless("post")), "post")

    assert (result.ok, result.certain, len(crm.requests)) == (False, False, 1)


@pytest.mark.parametrize("trouble", [(429, {}), (503, {}), LOST], ids=str)
def test_a_post_that_only_reads_by_the_operators_word_is_tried_again_as_reading_is(
    tmp_path: Path, crm: Crm, trouble: tuple[int, dict[str, str]]
) -> None:
    crm.planned = [trouble, trouble]

    result = _call(_load(tmp_path, crm, OperationChoice(id="post", read_only=True)), "post", key=None)

    assert (result.ok, result.text, len(crm.requests)) == (True, "answered 200", 3)


def test_a_post_that_only_reads_but_waits_for_a_person_is_sent_once(tmp_path: Path, crm: Crm) -> None:
    crm.planned = [LOST]
    asked_about = OperationChoice(id="post", read_only=True, consequential=True)

    assert not _call(_load(tmp_path, crm, asked_about), "post").ok
    assert len(crm.requests) == 1


@pytest.mark.parametrize("choice", [OperationChoice(id="search"), _harmless("search")], ids=["alone", "harmless"])
def test_that_a_post_only_reads_is_not_taken_from_the_document(
    tmp_path: Path, crm: Crm, choice: OperationChoice
) -> None:
    """Neither its own words nor that nobody must approve it say that a second one does no harm."""
    crm.planned = [LOST]
    words: JsonObject = {"x-openai-isConsequential": False, "x-read-only": True}
    search = operation(operationId="search", description="Only reads; idempotent.", **words)
    content = document({"/flaky": {"post": search}})

    assert not _call(_load(tmp_path, crm, choice, content=content), "search").ok
    assert len(crm.requests) == 1


def test_with_a_key_that_the_service_knows_a_post_is_tried_again_under_the_same_key(
    tmp_path: Path, crm: Crm
) -> None:
    crm.planned = [LOST, (503, {})]
    known = OperationChoice(id="post", idempotency_header="X-Once")

    result = _call(_load(tmp_path, crm, known), "post", key="appr-7")

    assert result.ok
    assert [one["x-once"] for one in crm.headers] == ["appr-7"] * 3
    assert not any("idempotency-key" in one for one in crm.headers)


def test_a_call_without_a_key_of_its_own_is_not_tried_again(tmp_path: Path, crm: Crm) -> None:
    crm.planned = [LOST]

    assert not _call(
        _load(tmp_path, crm, OperationChoice(id="post", idempotency_header="X-Once")), "post", key=None
    ).ok
    assert len(crm.requests) == 1


def test_after_a_try_that_may_have_been_carried_out_a_later_failure_leaves_it_unknown(
    tmp_path: Path, crm: Crm
) -> None:
    crm.planned = [LOST, (503, {}), (503, {})]
    known = OperationChoice(id="post", idempotency_header="X-Once")

    result = _call(_load(tmp_path, crm, known), "post")

    assert (result.ok, result.certain, result.status) == (False, False, 503)
    assert result.text.endswith("An earlier try may have been carried out.")


def test_the_attempts_end_and_the_last_answer_is_told(tmp_path: Path, crm: Crm) -> None:
    crm.planned = [(503, {})] * 9

    result = _call(_load(tmp_path, crm), "get")

    assert (result.ok, result.status, len(crm.requests)) == (False, 503, 3)


def test_a_wait_that_the_service_asks_for_and_there_is_no_time_for_ends_the_attempts(
    tmp_path: Path, crm: Crm
) -> None:
    crm.planned = [(429, {"Retry-After": "3600"})]
    begun = time.monotonic()

    result = _call(_load(tmp_path, crm), "get")

    assert (result.status, len(crm.requests)) == (429, 1)
    assert time.monotonic() - begun < 40


def test_the_wait_that_the_service_asks_for_is_kept(tmp_path: Path, crm: Crm) -> None:
    crm.planned = [(429, {"Retry-After": "1"})]
    begun = time.monotonic()

    assert _call(_load(tmp_path, crm), "get").ok
    assert time.monotonic() - begun >= 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0 "}, 0),
        ({}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "-3"}, 0),
        (
            {"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"},
            30,
        ),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_by_the_services_own_clock(
    headers: dict[str, str], seconds: float
) -> None:
    assert retry_after(headers) == seconds


def test_pauses_double_up_to_the_longest_and_are_never_shorter_than_asked() -> None:
    pauses = Pauses(first=1, longest=5)

    drawn = {attempt: [pauses.after(attempt, 0) for _ in range(50)] for attempt in (1, 2, 9)}

    assert all(0.5 <= pause <= 1 for pause in drawn[1])
    assert all(1 <= pause <= 2 for pause in drawn[2])
    assert all(2.5 <= pause <= 5 for pause in drawn[9])
    assert pauses.after(1, 30) == 30


def test_no_more_calls_than_allowed_run_at_one_host_at_once_whatever_persona_makes_them(
    tmp_path: Path, crm: Crm
) -> None:
    hosts = Hosts(HostLimits(calls=2))
    first, second = _load(tmp_path, crm, hosts=hosts), _load(tmp_path, crm, hosts=hosts)
    texts: list[str] = []

    async def call(actions: ActionSet) -> None:
        texts.append((await actions.call("held", {})).text)

    async def run() -> None:
        async with anyio.create_task_group() as group:
            for actions in (first, second) * 3:
                group.start_soon(call, actions)
            while crm.held < 2:
                await anyio.sleep(0.01)
            crm.gate.set()

    anyio.run(run)

    assert (crm.most_held, texts) == (2, ["at last"] * 6)


def test_a_call_whose_turn_does_not_come_in_time_is_surely_not_made(tmp_path: Path, crm: Crm) -> None:
    actions = _load(tmp_path, crm, hosts=Hosts(HostLimits(calls=1)))
    results: list[ActionResult] = []

    async def run() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(actions.call, "held", {})
            while crm.held < 1:
                await anyio.sleep(0.01)
            results.append(await actions.call("held", {}, until=time.monotonic() + 0.2))
            crm.gate.set()

    anyio.run(run)

    assert (results[0].ok, results[0].certain, len(crm.requests)) == (False, True, 1)
    assert "wait for their turn" in results[0].text


def test_a_host_that_fails_again_and_again_is_left_alone_until_a_probe_succeeds(tmp_path: Path, crm: Crm) -> None:
    now = [1_000.0]
    hosts = Hosts(HostLimits(failures=3, seconds=30), now=lambda: now[0])
    actions = _load(tmp_path, crm, hosts=hosts, pauses=Pauses(attempts=1))
    crm.planned = [(503, {})] * 3
    for _ in range(3):
        _call(actions, "get")

    alone = _call(actions, "get")
    assert (alone.ok, alone.certain, len(crm.requests)) == (False, True, 3)
    assert "left alone for 30 seconds. Nothing was done" in alone.text
    assert hosts.states() == {crm.host: BreakerState.OPEN}

    now[0] += 30
    assert _call(actions, "get").ok
    assert hosts.states() == {crm.host: BreakerState.CLOSED}


def test_answers_that_blame_the_call_do_not_open_the_breaker(tmp_path: Path, crm: Crm) -> None:
    hosts = Hosts(HostLimits(failures=1))
    actions = _load(tmp_path, crm, hosts=hosts)
    crm.planned = [(404, {}), (400, {}), (500, {})]
    for _ in range(3):
        _call(actions, "get")

    assert hosts.states() == {crm.host: BreakerState.CLOSED}


def test_a_call_ends_with_the_time_of_its_answer(tmp_path: Path, crm: Crm) -> None:
    hosts = Hosts(HostLimits(failures=1))
    begun = time.monotonic()

    result = _call(_load(tmp_path, crm, hosts=hosts), "slow", until=begun + 0.3)

    assert (result.ok, result.certain) == (False, False)
    assert hosts.states() == {crm.host: BreakerState.CLOSED}  # it had less than its time
    assert time.monotonic() - begun < 10


def test_after_the_time_of_its_answer_nothing_is_sent(tmp_path: Path, crm: Crm) -> None:
    result = _call(_load(tmp_path, crm), "get", until=time.monotonic() - 1)

    assert (result.text, result.certain) == (
        "The call was not made: this answer has used up its time for actions.",
        True,
    )
    assert crm.requests == []


REFUSED = answered(401, "")
API = httpx.URL("https://api.example")


@pytest.fixture
def delivery() -> Iterator[Delivery]:
    sender = Sender(GuardedTransport(NetworkGrants.parse([])), Secrets.none())
    yield Delivery(sender, Hosts(), time_limit=0.5, pauses=QUICK)
    anyio.run(sender.aclose)


def test_an_attempt_with_a_renewed_token_has_what_is_left_of_the_calls_time(delivery: Delivery) -> None:
    given: list[float] = []
    announced: list[int] = []

    async def send(seconds: float) -> ActionResult:
        given.append(seconds)
        await anyio.sleep(0.1)
        return REFUSED if len(given) == 1 else answered(200, "done")

    async def renewed() -> bool:
        await anyio.sleep(0.1)
        return True

    async def sending(attempt: int) -> None:
        announced.append(attempt)

    result = anyio.run(lambda: delivery.carry(API, send, Terms(sending=sending), renewed))

    assert (result.ok, announced) == (True, [1, 2])
    assert given[1] <= given[0] - 0.2


def test_a_call_that_has_used_up_its_time_is_not_sent_again_with_a_renewed_token(delivery: Delivery) -> None:
    given: list[float] = []

    async def send(seconds: float) -> ActionResult:
        given.append(seconds)
        return REFUSED

    async def renewed() -> bool:
        await anyio.sleep(0.6)
        return True

    result = anyio.run(lambda: delivery.carry(API, send, Terms(), renewed))

    assert (result, len(given)) == (REFUSED, 1)


def test_each_attempt_is_announced_before_it_is_sent_and_a_refusal_keeps_it_back(tmp_path: Path, crm: Crm) -> None:
    actions = _load(tmp_path, crm)
    crm.planned = [(503, {})]
    announced: list[tuple[int, int]] = []

    async def sending(attempt: int) -> None:
        announced.append((attempt, len(crm.requests)))

    async def refusing(attempt: int) -> None:
        raise Unavailable("The disk is full.")

    assert anyio.run(lambda: actions.call("get", {}, sending=sending)).ok
    assert announced == [(1, 0), (2, 1)]
    with pytest.raises(Unavailable):
        anyio.run(lambda: actions.call("get", {}, sending=refusing))
    assert len(crm.requests) == 2
