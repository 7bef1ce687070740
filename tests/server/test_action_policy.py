"""What binds action calls beyond their approval: edits, the journal, calls at once, steps shown, and time."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from sqlalchemy import update

from actions import ApprovalState, CallState, arguments_hash
from actions.tables import calls
from core.principal import Scope
from tests.fakes.crm import Crm, running_crm
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start, text_of
from tests.wire import grammar

pytestmark = pytest.mark.anyio
DOCUMENT = """\
openapi: 3.1.0
info: {title: Contacts, version: "1"}
paths:
  /echo:
    get:
      operationId: look_up
      parameters:
        - {name: who, in: query, required: true, schema: {type: string, minLength: 1}}
      responses: {"200": {description: found}}
  /held:
    get:
      operationId: held
      responses: {"200": {description: found}}
  /flaky:
    get:
      operationId: flaky
      responses: {"200": {description: found}}
  /slow:
    get:
      operationId: slow
      responses: {"200": {description: never}}
  /crm/v3/objects/contacts/{contact}:
    delete:
      operationId: remove
      parameters:
        - {name: contact, in: path, required: true, schema: {type: string}}
      responses: {"204": {description: gone}}
"""
CLERK = """\
id: clerk
name: Clerk
instructions: You keep contacts.
actions:
  - document: contacts.yaml
    server: URL
calling: CALLING
model: {limits: {action_seconds: SECONDS}}
"""


def _calls(*calls: tuple[str, str]) -> Reply:
    return Reply(text="", tool_calls=calls)


REMOVE = _calls(("remove", '{"contact": "7"}'))


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


@pytest.fixture
def settings() -> dict[str, Any]:
    """Settings of the gateway; a test may parametrize them."""
    return {}


@pytest.fixture
def seconds() -> int:
    """Seconds of an answer in which it may call; a test may parametrize them."""
    return 60


@pytest.fixture
async def clerk(
    start: Start, crm: Crm, settings: dict[str, Any], seconds: int, tmp_path: Path
) -> AsyncIterator[Gateway]:
    (tmp_path / "contacts.yaml").write_text(DOCUMENT)
    persona = CLERK.replace("URL", crm.url).replace("SECONDS", str(seconds))
    personas = {"clerk": persona.replace("CALLING", "native")}
    personas["guided"] = personas["clerk"].replace("id: clerk", "id: guided").replace("native", "guided")
    async with start(personas, private_hosts=crm.host, **settings) as gateway:
        assert gateway.services.personas.problems == ()
        yield gateway


def _deletions(crm: Crm) -> list[str]:
    return [path for method, path in crm.requests if method == "DELETE"]


async def _file(clerk: Gateway) -> str:
    """Let the model ask for a deletion; return the id of the approval that waits."""
    clerk.engine.will(REMOVE)
    await clerk.ask("clerk", "Remove 7")
    (pending,) = clerk.services.approvals.list(ApprovalState.PENDING)
    return pending.id


async def _decide(clerk: Gateway, approval: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    secret = key or clerk.secret("admin", Scope.ADMIN)
    async with clerk.http(authorization=f"Bearer {secret}") as http:
        return await http.post(f"/api/approvals/{approval}", json=body)


async def _journal(clerk: Gateway, key: str | None = None, **query: str) -> list[dict[str, Any]]:
    secret = key or clerk.secret("admin", Scope.ADMIN)
    async with clerk.http(authorization=f"Bearer {secret}") as http:
        answer = await http.get("/api/actions/calls", params=query)
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["data"]
    return listed


async def test_an_edited_call_is_made_once_as_the_person_wrote_it(clerk: Gateway, crm: Crm) -> None:
    approval = await _file(clerk)

    edited = (await _decide(clerk, approval, {"decision": "edit", "arguments": {"contact": "8"}})).json()
    again = await _decide(clerk, approval, {"decision": "edit", "arguments": {"contact": "9"}})
    clerk.engine.will("It is gone.", "It is gone.")
    for _ in range(2):
        assert (await clerk.ask("clerk", "Remove 7")).choices[0].message.content == "It is gone."

    assert (edited["state"], edited["arguments"]) == ("approved", {"contact": "7"})
    assert edited["effect"] == f"DELETE {crm.url}/crm/v3/objects/contacts/7"
    assert edited["edited"] == {
        "arguments": {"contact": "8"},
        "effect": f"DELETE {crm.url}/crm/v3/objects/contacts/8",
    }
    assert (again.status_code, again.json()["error"]["code"]) == (409, "approval_not_pending")
    assert _deletions(crm) == ["/crm/v3/objects/contacts/8"]
    told = clerk.engine.requests[-1]["messages"]
    assert told[-2]["content"] == 'remove {"contact": "8"}'
    assert 'The person who approved the call changed its arguments to {"contact":"8"}.' in told[-1]["content"]
    (call,) = await _journal(clerk)
    assert call["arguments_sha256"] == arguments_hash({"contact": "8"})


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"decision": "edit"}, "missing_required_parameter", "arguments"),
        ({"decision": "approve", "arguments": {"contact": "8"}}, "invalid_value", "arguments"),
        ({"decision": "edit", "arguments": {}}, "arguments_invalid", "arguments"),
        ({"decision": "edit", "arguments": {"contact": 8}}, "arguments_invalid", "arguments"),
        ({"decision": "edit", "arguments": {"contact": "8", "more": 1}}, "arguments_invalid", "arguments"),
        ({"decision": "edit", "arguments": {"contact": "../deals/1"}}, "arguments_invalid", "arguments"),
        ({"decision": "edit", "arguments": "8"}, "invalid_value", "arguments"),
    ],
)
async def test_an_edit_that_does_not_fit_the_operation_decides_nothing(
    clerk: Gateway, body: dict[str, Any], code: str, param: str
) -> None:
    approval = await _file(clerk)

    refused = await _decide(clerk, approval, body)

    assert refused.status_code == 400
    assert (refused.json()["error"]["code"], refused.json()["error"]["param"]) == (code, param)
    assert clerk.services.approvals.get(approval).state is ApprovalState.PENDING


async def test_the_asker_can_neither_decide_nor_edit_without_the_scope(clerk: Gateway) -> None:
    asker = clerk.secret("asker", Scope.CHAT)
    clerk.engine.will(REMOVE)
    await clerk.ask("clerk", "Remove 7", key=asker)
    (pending,) = clerk.services.approvals.list()

    for body in ({"decision": "approve"}, {"decision": "edit", "arguments": {"contact": "8"}}):
        assert (await _decide(clerk, pending.id, body, asker)).status_code == 403
    async with clerk.http(authorization=f"Bearer {asker}") as http:
        assert (await http.get("/api/actions/calls")).status_code == 403


async def test_the_journal_tells_who_called_what_as_which_revision_and_who_approved(
    clerk: Gateway, crm: Crm
) -> None:
    approval = await _file(clerk)
    await _decide(clerk, approval, {"decision": "approve"}, clerk.secret("boss", Scope.APPROVE))
    clerk.engine.will("It is gone.")
    await clerk.ask("clerk", "Remove 7")
    clerk.engine.will(_calls(("look_up", '{"who": "Ada"}')), "There.")
    await clerk.ask("clerk", "Is Ada there?", key=clerk.secret("asker", Scope.CHAT))

    read, removed = await _journal(clerk)

    assert (
        removed.items()
        >= {
            "state": "done",
            "persona": "clerk",
            "revision": clerk.services.personas.personas[0].revision,
            "principal": "anonymous",
            "operation": "remove",
            "target": f"DELETE {crm.url}",
            "arguments_sha256": arguments_hash({"contact": "7"}),
            "arguments": None,
            "approval": approval,
            "decided_by": "key:boss",
            "attempts": 1,
            "status": 204,
        }.items()
    )
    assert (read["operation"], read["principal"], read["approval"], read["status"]) == (
        "look_up",
        "key:asker",
        None,
        200,
    )
    assert [one["operation"] for one in await _journal(clerk, approval=approval)] == ["remove"]
    assert await _journal(clerk, state="unknown") == []
    assert await _journal(clerk, clerk.secret("boss", Scope.APPROVE), persona="other") == []


@pytest.mark.parametrize("settings", [{"action_arguments": True}])
async def test_full_arguments_are_kept_where_the_operator_says_so_until_their_user_is_forgotten(
    clerk: Gateway,
) -> None:
    clerk.engine.will(_calls(("look_up", '{"who": "Ada"}')), "There.")
    await clerk.ask("clerk", "Is Ada there?", user="ada")
    (call,) = await _journal(clerk)
    assert call["arguments"] == {"who": "Ada"}

    async with clerk.admin() as admin:
        gone = (await admin.delete("/api/transcripts", params={"user": "ada"})).json()

    assert (gone["calls_blanked"], gone["erased"]) == (1, True)
    (call,) = await _journal(clerk)
    assert (call["arguments"], call["arguments_sha256"], call["operation"]) == (None, None, "look_up")


@pytest.mark.parametrize("settings", [{"action_days": 1}])
async def test_the_journal_keeps_a_call_for_its_days(clerk: Gateway) -> None:
    for _ in range(2):
        clerk.engine.will(_calls(("look_up", '{"who": "Ada"}')), "There.")
        await clerk.ask("clerk", "Is Ada there?")
    old, young = (one.id for one in clerk.services.journal.list(limit=2).calls)
    with clerk.services.keys._database.write() as connection:
        older = update(calls).where(calls.c.id == old)
        connection.execute(older.values(created_at=clerk.services.clock() - 86_401))

    with anyio.move_on_after(5):  # it sweeps at once, and then every hour
        async with anyio.create_task_group() as group:
            group.start_soon(clerk.services.transcripts.sweep)
            while len(clerk.services.journal.list(limit=2).calls) == 2:
                await asyncio.sleep(0.01)
            group.cancel_scope.cancel()

    assert [one.id for one in clerk.services.journal.list(limit=2).calls] == [young]


async def test_a_call_is_written_down_as_sent_before_the_service_hears_of_it(clerk: Gateway, crm: Crm) -> None:
    clerk.engine.will(_calls(("held", "{}")), "At last.")

    async with anyio.create_task_group() as group:
        group.start_soon(clerk.ask, "clerk", "Wait")
        while crm.held == 0:
            await asyncio.sleep(0.01)
        (during,) = await _journal(clerk)
        crm.gate.set()

    (after,) = await _journal(clerk)
    assert (during["state"], after["state"]) == ("sent", "done")


async def test_a_client_that_leaves_in_mid_call_leaves_an_unknown_outcome(clerk: Gateway, crm: Crm) -> None:
    clerk.engine.will(_calls(("held", "{}")), "At last.")

    async with anyio.create_task_group() as group:
        group.start_soon(clerk.ask, "clerk", "Wait")
        while crm.held == 0:
            await asyncio.sleep(0.01)
        group.cancel_scope.cancel()

    with anyio.fail_after(10):
        while clerk.services.journal.list(limit=1).calls[0].state is CallState.SENT:
            await asyncio.sleep(0.01)
    (call,) = await _journal(clerk)
    assert call["state"] == "unknown"


async def test_a_call_that_cannot_be_written_down_is_not_made(clerk: Gateway, crm: Crm) -> None:
    clerk.engine.will(_calls(("look_up", '{"who": "Ada"}')), "I could not look.")

    with clerk.services.approvals._database.write():  # somebody else holds the lock
        answer = await clerk.ask("clerk", "Is Ada there?")

    assert answer.choices[0].message.content == "I could not look."
    assert "The call was not made: The database is locked" in clerk.engine.requests[-1]["messages"][-1]["content"]
    assert crm.requests == []


@pytest.mark.parametrize("stream", [True, False])
async def test_harmless_calls_of_one_answer_run_at_the_same_time_and_keep_their_order(
    clerk: Gateway, crm: Crm, stream: bool
) -> None:
    clerk.engine.will(_calls(("held", "{}"), ("look_up", '{"who": "Ada"}'), ("held", "{}")), "All there.")

    async def ask() -> None:
        if stream:
            assert text_of(await clerk.stream("clerk", "Look")) == "All there."
        else:
            assert (await clerk.ask("clerk", "Look")).choices[0].message.content == "All there."

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        with anyio.fail_after(20):
            while crm.held < 2 or ("GET", "/echo") not in crm.requests:  # one after the other never gets here
                await asyncio.sleep(0.01)
        crm.gate.set()

    results = [one["content"] for one in clerk.engine.requests[-1]["messages"] if one["role"] == "tool"]
    assert ["at last" in one for one in results] == [True, False, True]
    assert "who=Ada" in results[1]


async def test_a_wrong_call_among_several_is_told_in_its_place(clerk: Gateway, crm: Crm) -> None:
    clerk.engine.will(_calls(("look_up", "{}"), ("nonsense", "{}"), ("look_up", '{"who": "Ada"}')), "There.")

    await clerk.ask("clerk", "Look")

    results = [one["content"] for one in clerk.engine.requests[-1]["messages"] if one["role"] == "tool"]
    assert ["`who` is missing" in results[0], "no action 'nonsense'" in results[1], "Ada" in results[2]] == [
        True
    ] * 3
    assert crm.requests == [("GET", "/echo")]


async def test_a_model_that_asks_for_too_many_calls_at_once_is_told_so(clerk: Gateway, crm: Crm) -> None:
    clerk.engine.will(_calls(*[("look_up", json.dumps({"who": f"p{n}"})) for n in range(40)]), "Enough.")

    await clerk.ask("clerk", "Look")

    results = [one["content"] for one in clerk.engine.requests[-1]["messages"] if one["role"] == "tool"]
    assert len(crm.requests) == 16
    assert [("at most 16 at once" in one) for one in results] == [False] * 16 + [True] * 24


async def test_all_calls_of_one_answer_that_need_a_person_are_filed_together(clerk: Gateway, crm: Crm) -> None:
    clerk.engine.will(
        _calls(("remove", '{"contact": "7"}'), ("look_up", '{"who": "Ada"}'), ("remove", '{"contact": "8"}'))
    )

    text = (await clerk.ask("clerk", "Remove both")).choices[0].message.content or ""

    pending = clerk.services.approvals.list(ApprovalState.PENDING)
    assert [one.arguments for one in pending] == [{"contact": "7"}, {"contact": "8"}]
    assert all(one.id in text for one in pending)
    assert crm.requests == []


@pytest.mark.parametrize("persona", ["clerk", "guided"])
async def test_steps_are_shown_in_the_stream_to_those_who_ask(clerk: Gateway, crm: Crm, persona: str) -> None:
    if persona == "clerk":
        clerk.engine.will(_calls(("held", "{}")), "At last.")
    else:
        clerk.engine.will("held", "none", "At last.")
    body = {"model": persona, "stream": True, "messages": [{"role": "user", "content": "Wait"}]}
    crm.gate.set()

    async with clerk.http() as http:
        answer = await http.post("/v1/chat/completions", json={**body, "repertory": {"include": True}})
    told = grammar.check(answer.text)

    steps = [frame["repertory"]["step"]["state"] for frame in told if "step" in frame.get("repertory", {})]
    assert steps == ["running", "done"]
    assert told[0]["choices"][0]["delta"]["role"] == "assistant"
    text = "".join(frame["choices"][0]["delta"].get("content") or "" for frame in told)
    assert text == "At last."
    assert told[-1]["repertory"]["steps"][0]["action"] == "held"


async def test_those_who_do_not_ask_see_nothing_of_steps(clerk: Gateway) -> None:
    clerk.engine.will(_calls(("look_up", '{"who": "Ada"}')), "There.")
    body = {"model": "clerk", "stream": True, "messages": [{"role": "user", "content": "Look"}]}

    async with clerk.http() as http:
        answer = await http.post("/v1/chat/completions", json=body)

    assert "repertory" not in answer.text
    assert "look_up" not in answer.text


@pytest.mark.parametrize("settings", [{"keep_alive_seconds": 0.1}])
@pytest.mark.parametrize("persona", ["clerk", "guided"])
async def test_a_stream_is_kept_alive_while_a_slow_action_runs(clerk: Gateway, crm: Crm, persona: str) -> None:
    clerk.engine.will(*([_calls(("held", "{}"))] if persona == "clerk" else ["held", "none"]), "At last.")
    body = {"model": persona, "stream": True, "messages": [{"role": "user", "content": "Wait"}]}
    texts: list[str] = []

    async def ask() -> None:
        async with clerk.http() as http:
            texts.append((await http.post("/v1/chat/completions", json=body)).text)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        while crm.held == 0:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        crm.gate.set()

    assert texts[0].count(": keep-alive\n\n") >= 2
    grammar.check(texts[0])


@pytest.mark.parametrize("live", [True, False])
async def test_a_failing_service_is_a_sentence_for_the_model_and_never_a_broken_stream(
    clerk: Gateway, crm: Crm, live: bool
) -> None:
    crm.planned = [(500, {})]
    clerk.engine.will(_calls(("flaky", "{}")), "It failed.")
    body = {"model": "clerk", "stream": True, "messages": [{"role": "user", "content": "Look"}]}

    async with clerk.http() as http:
        answer = await http.post("/v1/chat/completions", json={**body, "repertory": {"include": live}})

    grammar.check(answer.text)
    assert "It failed." in "".join(
        frame["choices"][0]["delta"].get("content") or "" for frame in grammar.check(answer.text)
    )
    assert "status 500" in clerk.engine.requests[-1]["messages"][-1]["content"]


async def test_an_engine_that_fails_while_steps_are_shown_ends_in_one_error_frame(clerk: Gateway) -> None:
    clerk.engine.will("look_up", Reply(status=500, message="out of order"))
    body = {"model": "guided", "stream": True, "messages": [{"role": "user", "content": "Look"}]}

    async with clerk.http() as http:
        answer = await http.post("/v1/chat/completions", json={**body, "repertory": {"include": True}})

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")


@pytest.mark.parametrize("seconds", [3])
@pytest.mark.parametrize("persona", ["clerk", "guided"])
async def test_an_answer_that_has_used_up_its_time_calls_no_more_and_still_answers(
    clerk: Gateway, crm: Crm, persona: str
) -> None:
    if persona == "clerk":
        clerk.engine.will(_calls(("slow", "{}")), "I gave up.")
    else:
        clerk.engine.will("slow", "I gave up.")

    answer = await clerk.ask(persona, "Look")

    assert answer.choices[0].message.content == "I gave up."
    assert crm.requests == [("GET", "/slow")]
    last = clerk.engine.requests[-1]
    assert "did not answer within" in str(last["messages"])
    assert last.get("tool_choice", "none") == "none"
    assert (await _journal(clerk))[0]["state"] == "unknown"


@pytest.mark.parametrize("settings", [{"action_host_failures": 1, "action_attempts": 1}])
async def test_a_host_that_is_left_alone_shows_in_the_metrics_and_at_its_personas(
    clerk: Gateway, crm: Crm
) -> None:
    crm.planned = [(503, {})]
    clerk.engine.will(_calls(("flaky", "{}")), "It failed.", _calls(("look_up", '{"who": "Ada"}')), "Still.")
    for _ in range(2):
        await clerk.ask("clerk", "Look")

    async with clerk.admin() as admin:
        metrics = (await admin.get("/metrics")).text
        personas = (await admin.get("/api/personas")).json()["data"]

    assert f'repertory:action_host_left_alone{{host="{crm.host}"}} 1.0' in metrics
    shown = next(one for one in personas if one["id"] == "clerk")
    assert {one["host"] for one in shown["actions"]} == {"open"}
    assert crm.requests == [("GET", "/flaky")]
    assert [one["state"] for one in await _journal(clerk)] == ["failed", "failed"]
