"""Transcripts: what is kept, who sees it, and that what is deleted is gone from the disk."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.database import Database
from core.errors import Unavailable
from core.ids import ConversationId, PersonaId, PrincipalId
from core.principal import Scope
from server.migrations import migrate
from server.transcripts.recorder import Recorder
from server.transcripts.store import Transcripts
from server.transcripts.transcript import Keep, Selection
from server.transcripts.upkeep import DAY, Retention, Upkeep
from server.turn.content import TurnContent
from server.turn.record import TurnRecord
from server.turn.usage import UsageSum
from tests.fakes.crm import running_crm
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start
from tests.server.test_actions import CLERK, DOCUMENT

pytestmark = pytest.mark.anyio
CANARY = "canary-7f3a91"
NOW = 1_800_000_000.0
PERSONAS = {
    "quiet": "id: quiet\nname: Quiet\ninstructions: You are quiet.\ntranscripts: off\n",
    "terse": "id: terse\nname: Terse\ninstructions: You are terse.\ntranscripts: metadata\n",
}


async def listed(gateway: Gateway, **query: str) -> list[dict[str, Any]]:
    async with gateway.admin() as admin:
        answer = await admin.get("/api/transcripts", params=query)
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def content_of(gateway: Gateway, transcript_id: str) -> Any:
    async with gateway.admin() as admin:
        return (await admin.get(f"/api/transcripts/{transcript_id}")).json()["content"]


def holding(gateway: Gateway, name: str) -> httpx.AsyncClient:
    """Return a client that holds a chat key of this name."""
    return gateway.http(authorization=f"Bearer {gateway.secret(name, Scope.CHAT)}")


def on_disk(folder: Path, text: str) -> int:
    """Return how often `text` stands in the database's files."""
    return sum(path.read_bytes().count(text.encode()) for path in folder.glob("repertory.db*"))


# What is kept


async def test_by_default_a_transcript_has_metadata_and_no_text(gateway: Gateway, tmp_path: Path) -> None:
    gateway.engine.will(f"I answer {CANARY}.")
    await gateway.ask("librarian", f"When does the library open? {CANARY}", user="ada")
    (one,) = await listed(gateway)
    assert (one["principal"], one["user"], one["persona"]) == ("anonymous", "ada", "librarian")
    assert (one["finish"], one["error"], one["retrieval"], one["engine_calls"]) == ("stop", None, "found", 1)
    assert one["completion_tokens"] > 0
    assert one["has_content"] is False
    assert await content_of(gateway, one["id"]) is None
    assert on_disk(tmp_path, CANARY) == 0


@pytest.mark.parametrize("streamed", [True, False])
async def test_content_is_what_was_newly_said_and_what_was_sent(start: Start, streamed: bool) -> None:
    async with start(transcripts="content") as gateway:
        gateway.engine.will("It opens at nine [1] and [7].")
        told = [
            {"role": "user", "content": "Earlier question"},
            {"role": "assistant", "content": "Earlier answer"},
            {"role": "user", "content": "When does the library open?"},
        ]
        ask: Any = gateway.stream if streamed else gateway.ask
        await ask("librarian", *told)
        (one,) = await listed(gateway)
        content = await content_of(gateway, one["id"])
    assert content["messages"] == [{"role": "user", "content": "When does the library open?"}]
    assert content["answers"] == ["It opens at nine [1] and."]  # without the marker that names no passage
    assert content["passages"]
    assert "closes at eighteen" not in str(content)


async def test_an_answer_that_broke_off_is_kept_as_far_as_it_went(start: Start) -> None:
    async with start(transcripts="content") as gateway:
        gateway.engine.will(Reply("one two three four", dies_after=2))
        async with gateway.http() as http:
            body = {"model": "plain", "messages": [{"role": "user", "content": "Go"}], "stream": True}
            await http.post("/v1/chat/completions", json=body)
        (one,) = await listed(gateway)
        content = await content_of(gateway, one["id"])
    assert one["error"] == "upstream_failed"
    assert "one two three four".startswith(content["answers"][0].strip())
    assert content["answers"][0].startswith("one")


async def test_several_answers_are_kept_apart(start: Start) -> None:
    async with start(transcripts="content") as gateway:
        gateway.engine.will("Same.")
        await gateway.ask("plain", "Go", n=2)
        (one,) = await listed(gateway)
        assert (await content_of(gateway, one["id"]))["answers"] == ["Same.", "Same."]


async def test_a_persona_may_only_keep_less(start: Start) -> None:
    async with start(PERSONAS, transcripts="content") as gateway:
        for persona in ("plain", "terse", "quiet"):
            await gateway.ask(persona, "Go")
        kept = {one["persona"]: one["has_content"] for one in await listed(gateway)}
    assert kept == {"plain": True, "terse": False}
    assert [Keep.METADATA.at_most(limit) for limit in (None, "off", "metadata")] == ["metadata", "off", "metadata"]
    assert Keep.OFF.at_most("metadata") is Keep.OFF


async def test_off_keeps_nothing(start: Start) -> None:
    async with start(transcripts="off") as gateway:
        await gateway.ask("plain", "Go")
        assert await listed(gateway) == []


@pytest.mark.parametrize(("mode", "arguments"), [("metadata", False), ("content", True)])
async def test_arguments_of_actions_are_content(start: Start, tmp_path: Path, mode: str, arguments: bool) -> None:
    with running_crm() as crm:
        (tmp_path / "contacts.yaml").write_text(DOCUMENT)
        clerk = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
        async with start({"clerk": clerk}, private_hosts=crm.host, transcripts=mode) as gateway:
            gateway.engine.will("look_up", f'{{"who": "{CANARY}"}}', "Found.")
            await gateway.ask("clerk", "Is Ada there?")
            (one,) = await listed(gateway)
            content = await content_of(gateway, one["id"])
    assert [(call["name"], call["state"]) for call in one["actions"]] == [("look_up", "done")]
    assert (on_disk(tmp_path, CANARY) > 0) is arguments
    assert (content is not None and CANARY in content["steps"][0]["arguments"]) is arguments


async def test_a_turn_does_not_wait_for_a_locked_database_and_its_transcript_is_not_lost(
    gateway: Gateway, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "repertory.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await gateway.ask("plain", "Go")
    other.execute("ROLLBACK")
    other.close()
    assert len(await listed(gateway)) == 1


async def test_the_end_of_the_server_writes_what_waits(start: Start, tmp_path: Path) -> None:
    async with start() as gateway:
        await gateway.ask("plain", "Go")
    with sqlite3.connect(tmp_path / "repertory.db") as database:
        assert database.execute("SELECT count(*) FROM server_transcripts").fetchone() == (1,)
    database.close()


# Who sees it


async def test_transcripts_are_found_by_user_conversation_persona_and_time(gateway: Gateway) -> None:
    named: dict[str, Any] = {"extra_body": {"repertory": {"conversation": "c1", "include": True}}}
    first = await gateway.ask("plain", "Go", user="ada", **named)
    await gateway.ask("tuned", "Go", user="bob")
    conversation = (first.model_extra or {})["repertory"]["conversation"]
    for query in ({"user": "ada"}, {"conversation": conversation}, {"persona": "plain"}):
        assert [one["user"] for one in await listed(gateway, **query)] == ["ada"], query
    assert await listed(gateway, to=str(NOW)) == []
    assert len(await listed(gateway, **{"from": str(NOW)})) == 2
    assert await listed(gateway, user="a") == []


async def test_pages_follow_each_other_newest_first(gateway: Gateway) -> None:
    for user in "abcde":
        await gateway.ask("plain", "Go", user=user)
    first = await listed(gateway, limit="3")
    rest = await listed(gateway, limit="3", after=first[-1]["id"])
    assert [one["user"] for one in first + rest] == ["e", "d", "c", "b", "a"]


@pytest.mark.parametrize("query", ["usr=ada", "limit=0", "limit=501", "from=x", "from=nan", "from=-1"])
async def test_a_query_that_cannot_be_meant_is_refused(gateway: Gateway, query: str) -> None:
    async with gateway.admin() as admin:
        assert (await admin.get(f"/api/transcripts?{query}")).status_code == 400


async def test_a_key_sees_and_deletes_only_its_own(gateway: Gateway) -> None:
    for name in ("ada", "bob"):
        await gateway.ask("plain", "Go", key=gateway.secret(name, Scope.CHAT), user="same")
    theirs = await listed(gateway, principal="key:bob")
    async with holding(gateway, "ada") as ada:
        seen = (await ada.get("/api/transcripts")).json()["data"]
        assert [one["principal"] for one in seen] == ["key:ada"]
        assert (await ada.get(f"/api/transcripts/{theirs[0]['id']}")).status_code == 404
        assert (await ada.get("/api/transcripts?principal=key:bob")).status_code == 404
        assert (await ada.get(f"/api/transcripts?after={theirs[0]['id']}")).status_code == 404
        for whose in ("principal=key:bob", f"conversation={theirs[0]['conversation']}"):
            assert (await ada.delete(f"/api/transcripts?{whose}")).status_code == 404
        assert (await ada.delete("/api/transcripts?user=same")).json()["deleted"] == 1
        assert (await ada.get("/api/transcripts")).json()["data"] == []
    assert [one["principal"] for one in await listed(gateway)] == ["key:bob"]


async def test_transcripts_need_a_key_that_may_chat(gateway: Gateway) -> None:
    knowing = gateway.secret("knowing", Scope.KNOWLEDGE)
    for headers, status in (({}, 401), ({"authorization": f"Bearer {knowing}"}, 403)):
        async with gateway.http(**headers) as http:
            assert (await http.get("/api/transcripts")).status_code == status
            assert (await http.get("/api/transcripts/chatcmpl-1")).status_code == status
            assert (await http.delete("/api/transcripts?user=ada")).status_code == status


# How it goes away


async def test_what_a_user_or_a_conversation_said_is_gone_from_the_disk(start: Start, tmp_path: Path) -> None:
    async with start(transcripts="content") as gateway:
        for user in ("ada", "bob"):
            gateway.engine.will(f"{user} {CANARY} answered")
            await gateway.ask("plain", f"{user} {CANARY} asked {'x' * 9000}", user=user)
        conversation = (await listed(gateway, user="bob"))[0]["conversation"]
        assert on_disk(tmp_path, f"ada {CANARY}") > 0
        async with gateway.admin() as admin:
            gone = await admin.delete("/api/transcripts?user=ada")
            assert (gone.json()["deleted"], gone.json()["erased"]) == (1, True)
            assert on_disk(tmp_path, f"ada {CANARY}") == 0
            assert on_disk(tmp_path, f"bob {CANARY}") > 0
            gone = await admin.delete(f"/api/transcripts?conversation={conversation}")
            assert gone.json()["deleted"] == 1
            assert on_disk(tmp_path, CANARY) == 0
            assert (await admin.delete("/api/transcripts?user=ada")).status_code == 404


@pytest.mark.parametrize("query", ["", "?persona=plain", "?user=ada&persona=plain", "?user=ada&form=1"])
async def test_a_deletion_says_whose_and_nothing_else(gateway: Gateway, query: str) -> None:
    await gateway.ask("plain", "Go", user="ada")
    async with gateway.admin() as admin:
        assert (await admin.delete(f"/api/transcripts{query}")).status_code == 400
    assert len(await listed(gateway)) == 1


async def test_arguments_of_calls_that_are_over_go_with_their_conversation(start: Start, tmp_path: Path) -> None:
    with running_crm() as crm:
        (tmp_path / "contacts.yaml").write_text(DOCUMENT)
        clerk = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
        async with start({"clerk": clerk}, private_hosts=crm.host) as gateway:
            gateway.engine.will("remove", f'{{"contact": "{CANARY}"}}')
            await gateway.ask("clerk", "Remove Ada", user="ada")
            async with gateway.admin() as admin:
                waiting = (await admin.get("/api/approvals")).json()["data"][0]
                kept = await admin.delete("/api/transcripts?user=ada")
                still = (await admin.get("/api/approvals")).json()["data"][0]
                await admin.post(f"/api/approvals/{waiting['id']}", json={"decision": "deny"})
                over = await admin.delete(f"/api/transcripts?conversation={waiting['conversation']}")
                (left,) = (await admin.get("/api/approvals")).json()["data"]
                traces = on_disk(tmp_path, CANARY)  # while the server runs
    assert (kept.json()["deleted"], kept.json()["approvals_blanked"]) == (1, 0)
    assert still["arguments"] == {"contact": CANARY}  # a person still has to decide about it
    assert (over.json()["deleted"], over.json()["approvals_blanked"]) == (0, 1)
    assert (left["state"], left["arguments"], left["operation"]) == ("denied", {}, "remove")
    assert (over.json()["erased"], traces) == (True, 0)


async def test_calls_go_only_where_all_conditions_hold(start: Start, tmp_path: Path) -> None:
    with running_crm() as crm:
        (tmp_path / "contacts.yaml").write_text(DOCUMENT)
        clerk = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
        async with start({"clerk": clerk}, private_hosts=crm.host) as gateway:
            gateway.engine.will("remove", f'{{"contact": "{CANARY}"}}')
            await gateway.ask("clerk", "Remove Ada", user="ada")
            async with gateway.admin() as admin:
                (call,) = (await admin.get("/api/approvals")).json()["data"]
                await admin.post(f"/api/approvals/{call['id']}", json={"decision": "deny"})
                whose = f"/api/transcripts?conversation={call['conversation']}"
                assert (await admin.delete(f"{whose}&user=bob")).status_code == 404
                (left,) = (await admin.get("/api/approvals")).json()["data"]
                assert left["arguments"] == {"contact": CANARY}
                assert (await admin.delete(f"{whose}&user=ada")).json()["approvals_blanked"] == 1


@pytest.mark.parametrize("name", ["principal", "user", "conversation"])
async def test_an_empty_condition_deletes_nothing(gateway: Gateway, name: str) -> None:
    await gateway.ask("plain", "Go", user="ada")
    async with gateway.admin() as admin:
        for query in (f"{name}=", f"{name}=&user=ada"):
            refused = await admin.delete(f"/api/transcripts?{query}")
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, name)
    assert len(await listed(gateway)) == 1


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "repertory.db")
    migrate(opened)
    yield opened
    opened.close()


def turn(number: int, at: float, user: str = "ada", text: str = "") -> TurnRecord:
    content = TurnContent([{"role": "user", "content": text}], [], answers={0: [text]}) if text else None
    return TurnRecord(
        completion=f"chatcmpl-{number}",
        principal=PrincipalId("key:app"),
        persona=PersonaId("plain"),
        revision="r",
        adapter=None,
        conversation=ConversationId(f"conv-{user}-{number}"),
        streamed=False,
        begun_at=at,
        usage=UsageSum(),
        user=user,
        content=content,
    )


def kept(store: Transcripts) -> dict[str, bool]:
    page = store.list(Selection(), limit=500)
    return {one.id: one.has_content for one in page.transcripts}


RETENTION = Retention(content_days=30, metadata_days=90)


def test_texts_and_then_the_rest_go_after_their_days(database: Database, tmp_path: Path) -> None:
    upkeep = Upkeep(database)
    store = Transcripts(database, upkeep)
    store.add([turn(1, NOW, text=CANARY), turn(2, NOW + 5 * DAY, text="later")])
    for day in range(100):  # the clock goes on as on a server that runs
        upkeep.sweep(NOW + day * DAY, RETENTION)
        upkeep.erase(NOW + day * DAY)
        if day in (30, 31, 90, 91):
            assert (on_disk(tmp_path, CANARY) == 0) is (day > 30)
            assert kept(store).get("chatcmpl-1") == {30: True, 31: False, 90: False}.get(day), day
    assert kept(store) == {}


def test_what_is_deleted_while_the_file_is_rewritten_is_erased_next(database: Database, tmp_path: Path) -> None:
    class Interrupted(Upkeep):
        """Somebody else deletes between the rewriting and the note that it is done."""

        def _empty_log(self) -> None:
            super()._empty_log()
            store.delete(Selection(conversation=turn(2, NOW).conversation))

    upkeep = Interrupted(database)
    store = Transcripts(database, upkeep)
    store.add([turn(1, NOW, text="first"), turn(2, NOW, text=CANARY)])
    store.delete(Selection(conversation=turn(1, NOW).conversation))
    assert upkeep.erase(NOW)
    assert on_disk(tmp_path, CANARY) > 0
    assert upkeep.erase(NOW)
    assert on_disk(tmp_path, CANARY) == 0


def test_a_leap_of_the_clock_wipes_nothing_out(database: Database) -> None:
    upkeep = Upkeep(database)
    store = Transcripts(database, upkeep)
    store.add([turn(1, NOW, text="said")])
    upkeep.sweep(NOW, RETENTION)
    for hour in range(24):  # the clock is ten years ahead, for not quite a day
        upkeep.sweep(NOW + 3650 * DAY + hour * 3600, RETENTION)
    upkeep.sweep(NOW + DAY, RETENTION)
    for hour in range(24):  # and then back at the beginning of time
        upkeep.sweep(hour * 3600.0, RETENTION)
    upkeep.sweep(NOW + 2 * DAY, RETENTION)
    assert kept(store) == {"chatcmpl-1": True}


def test_a_long_standstill_only_delays_by_a_day(database: Database) -> None:
    upkeep = Upkeep(database)
    store = Transcripts(database, upkeep)
    store.add([turn(1, NOW, text="said")])
    upkeep.sweep(NOW, RETENTION)
    assert [upkeep.sweep(NOW + 200 * DAY + hour * 3600, RETENTION) for hour in range(25)] == [0] * 24 + [2]


def test_rows_from_a_clock_that_was_ahead_do_not_outstay_their_days(database: Database) -> None:
    upkeep = Upkeep(database)
    store = Transcripts(database, upkeep)
    store.add([turn(1, NOW + 3650 * DAY)])
    for day in range(92):
        upkeep.sweep(NOW + day * DAY, RETENTION)
    assert kept(store) == {}


def test_no_trace_is_left_whatever_was_written_and_deleted_before(database: Database, tmp_path: Path) -> None:
    # SQLite's own secure_delete leaves some where pages are split and joined: then this test is red.
    upkeep, chance = Upkeep(database), random.Random(3)
    store = Transcripts(database, upkeep)
    number = 0
    for _ in range(25):
        users = [f"{CANARY}-{chance.randrange(6)}" for _ in range(30)]
        texts = [f"{user} said " * chance.choice((1, 4, 40, 400)) for user in users]
        store.add([turn(number + at, NOW, user, texts[at]) for at, user in enumerate(users)])
        number += len(users)
        user = chance.choice(users)
        assert store.delete(Selection(user=user)) > 0
        assert upkeep.erase(NOW)
        assert on_disk(tmp_path, user) == 0
    assert on_disk(tmp_path, CANARY) > 0


def test_an_erasure_that_a_reader_stands_in_the_way_of_is_owed_until_it_is_done(
    database: Database, tmp_path: Path
) -> None:
    upkeep = Upkeep(database)
    store = Transcripts(database, upkeep)
    store.add([turn(1, NOW, text=CANARY)])
    reader = sqlite3.connect(tmp_path / "repertory.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM server_transcripts").fetchone()
    store.delete(Selection(user="ada"))
    with database.read() as connection:  # this thread's next connection does not wait for the reader
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    with pytest.raises(Unavailable):
        upkeep.erase(NOW)
    reader.execute("COMMIT")
    reader.close()
    assert upkeep.erase(NOW)
    assert not upkeep.erase(NOW)
    assert on_disk(tmp_path, CANARY) == 0


async def test_a_database_that_stays_away_costs_bounded_memory(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.transcripts.recorder._MOST_WAITING", 3)
    recorder = Recorder(database, lambda: NOW, keep=Keep.METADATA, retention=RETENTION)
    for number in range(5):
        recorder.finished(turn(number, NOW))
    await recorder.flush()
    assert sorted(kept(recorder.store)) == ["chatcmpl-0", "chatcmpl-1", "chatcmpl-2"]
