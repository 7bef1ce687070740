"""The ledger of usage: what is counted, who may see it, and what a killed server loses."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import openai
import pytest
from sqlalchemy import Connection

from core.database import Database
from core.errors import Unavailable
from core.ids import PrincipalId
from core.principal import Limits, Scope
from server.settings import ROOT
from server.usage.counts import Counts
from server.usage.ledger import Ledger
from server.usage.report import Group, Wanted, report
from server.usage.tables import metadata
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start
from tests.server.serving import serving

pytestmark = pytest.mark.anyio
TODAY = "2027-01-15"
ADA = PrincipalId("key:ada")
ALL_GROUPS = tuple(Group)
CHAT = {"model": "plain", "messages": [{"role": "user", "content": "one two three"}]}
EMBED = {"model": "all-MiniLM-L6-v2", "input": ["four", "eight bytes"]}
_PATIENCE = 60


async def usage(gateway: Gateway, secret: str, **query: str) -> dict[str, Any]:
    async with gateway.http(authorization=f"Bearer {secret}") as http:
        response = await http.get("/api/usage", params=query)
    answer: dict[str, Any] = response.json()
    assert response.status_code == 200, answer
    return answer


async def test_usage_is_summed_by_key_persona_and_day(gateway: Gateway) -> None:
    ada, boss = gateway.secret("ada", Scope.CHAT, Scope.KNOWLEDGE), gateway.secret("boss", Scope.ADMIN)
    gateway.engine.will("One two.", "Three.", "Four.")
    answers = [await gateway.ask(model, "Hi there", key=ada) for model in ("plain", "plain", "tuned")]
    await gateway.stream("plain", "Hi")
    async with gateway.http(authorization=f"Bearer {ada}") as http:
        await http.post("/v1/embeddings", json=EMBED)
        await http.post("/api/knowledge/search", json={"query": "fines", "persona": "librarian"})
    told = await usage(gateway, boss)
    rows = {(one["key"], one["persona"]): one for one in told["data"]}
    assert set(rows) == {("ada", "plain"), ("ada", "tuned"), ("ada", EMBED["model"]), ("anonymous", "plain")}
    assert {one["day"] for one in told["data"]} == {TODAY}
    spent = [answer.usage for answer in answers[:2]]
    plain = rows["ada", "plain"]
    assert (plain["requests"], plain["errors"], plain["estimated"]) == (2, 0, 0)
    assert plain["prompt_tokens"] == sum(one.prompt_tokens for one in spent if one)
    assert plain["completion_tokens"] == sum(one.completion_tokens for one in spent if one)
    assert rows["ada", str(EMBED["model"])]["prompt_tokens"] == 1 + 3 + 2
    assert told["total"]["requests"] == 6


async def test_sums_can_be_narrowed_and_grouped(gateway: Gateway) -> None:
    boss, ledger = gateway.secret("boss", Scope.ADMIN), gateway.services.meter.ledger
    for day in ("2026-11-01", "2027-01-10", TODAY):
        for key, persona in (("key:ada", "plain"), ("key:bob", "plain"), ("key:bob", "tuned")):
            ledger.add(day, PrincipalId(key), persona, Counts(requests=1, prompt_tokens=10))
    by_key = await usage(gateway, boss, group_by="key")
    assert [(one["key"], one["requests"]) for one in by_key["data"]] == [("ada", 2), ("bob", 4)]
    assert (by_key["from"], by_key["to"]) == ("2026-12-17", TODAY)
    whole = await usage(gateway, boss, group_by="", **{"from": "2026-01-01", "to": TODAY})
    assert [one["requests"] for one in whole["data"]] == [9]
    narrow = await usage(gateway, boss, key="bob", persona="tuned", group_by="day")
    assert [(one["day"], one["prompt_tokens"]) for one in narrow["data"]] == [("2027-01-10", 10), (TODAY, 10)]
    assert (await usage(gateway, boss, key="nobody"))["data"] == []
    assert (await usage(gateway, boss, key="nobody", group_by=""))["data"] == []
    async with gateway.http(authorization=f"Bearer {boss}") as http:
        for query in ({"group_by": "secret_hash"}, {"from": "yesterday"}, {"keys": "bob"}):
            assert (await http.get("/api/usage", params=query)).status_code == 400


async def test_a_key_sees_its_own_usage_only(gateway: Gateway) -> None:
    ada, bob = gateway.secret("ada", Scope.CHAT), gateway.secret("bob", Scope.CHAT)
    await gateway.ask("plain", "Hi", key=ada)
    await gateway.ask("plain", "Hi", key=bob)
    for query in ({}, {"key": "ada"}):
        assert {one["key"] for one in (await usage(gateway, ada, **query))["data"]} == {"ada"}
    async with gateway.http(authorization=f"Bearer {ada}") as http:
        assert (await http.get("/api/usage", params={"key": "bob"})).status_code == 403
        assert (await http.get("/api/usage", params={"key": "anonymous"})).status_code == 403


async def test_failed_and_refused_requests_are_counted_as_such(gateway: Gateway) -> None:
    boss = gateway.secret("boss", Scope.ADMIN)
    secret = gateway.services.keys.create("ada", [Scope.CHAT], None, Limits(requests_per_day=1))[1]
    gateway.engine.will(Reply("one two three", error_after=1))
    with pytest.raises(openai.APIError):
        async for _ in await gateway.openai(secret).chat.completions.create(
            model="plain", messages=[{"role": "user", "content": "12345678"}], stream=True
        ):
            pass
    with pytest.raises(openai.RateLimitError):
        await gateway.ask("plain", "Hi", key=secret)
    total = (await usage(gateway, boss))["total"]
    assert (total["requests"], total["errors"], total["refused"], total["estimated"]) == (1, 1, 1, 1)
    assert (total["prompt_tokens"], total["completion_tokens"]) == (6, 1)  # "You are plain." and the question
    gateway.engine.will(Reply(status=400, message="maximum context length"))
    with pytest.raises(openai.BadRequestError):
        await gateway.ask("plain", "too long")
    (unread,) = (await usage(gateway, boss, key="anonymous"))["data"]
    assert (unread["errors"], unread["prompt_tokens"], unread["estimated"]) == (1, 0, 0)


def test_a_stream_that_its_client_leaves_is_counted_with_what_was_seen_of_it(start: Start) -> None:
    with serving(start()) as gateway:
        boss = gateway.secret("boss", Scope.ADMIN)
        gateway.engine.will(Reply("one two three four five", hangs_after=3))
        with openai.OpenAI(api_key="none", base_url=f"{gateway.base}/v1", max_retries=0) as client:
            stream = client.chat.completions.create(
                model="plain", messages=[{"role": "user", "content": "12345678"}], stream=True
            )
            seen = 0
            for chunk in stream:
                seen += bool(chunk.choices[0].delta.content)
                if seen == 3:
                    break
            stream.close()
        ask = {"url": f"{gateway.base}/api/usage", "headers": {"authorization": f"Bearer {boss}"}}
        deadline = time.monotonic() + _PATIENCE
        while not (total := httpx.get(**ask, timeout=_PATIENCE).json()["total"])["requests"]:  # type: ignore[arg-type]
            assert time.monotonic() < deadline
    assert (total["requests"], total["abandoned"], total["errors"], total["estimated"]) == (1, 1, 0, 1)
    assert (total["prompt_tokens"], total["completion_tokens"]) == (6, 3)


class MovingDatabase(Database):
    """A database whose disk fills up and is emptied again."""

    full = False

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        if self.full:
            raise Unavailable("The disk is full.", code="disk_full")
        with super().write(durable=durable) as connection:
            yield connection


async def test_what_cannot_be_written_is_kept_and_written_later(tmp_path: Path) -> None:
    database = MovingDatabase(tmp_path / "usage.db")
    metadata.create_all(database.engine)
    ledger = Ledger(database)
    database.full = True
    ledger.add(TODAY, ADA, "plain", Counts(requests=1))
    with pytest.raises(Unavailable):
        ledger.write()
    ledger.add(TODAY, ADA, "plain", Counts(requests=2))
    assert ledger.of_day(TODAY, ADA).requests == 3
    assert report(database, Wanted(ALL_GROUPS, TODAY, TODAY)) == ()
    database.full = False
    ledger.write()
    ledger.write()
    assert [line.counts.requests for line in report(database, Wanted(ALL_GROUPS, TODAY, TODAY))] == [3]
    database.close()


async def test_what_was_counted_last_is_written_when_the_server_ends(tmp_path: Path) -> None:
    database = Database(tmp_path / "usage.db")
    metadata.create_all(database.engine)
    ledger = Ledger(database)
    async with anyio.create_task_group() as group:
        group.start_soon(ledger.run)
        await anyio.lowlevel.checkpoint()
        ledger.add(TODAY, ADA, "plain", Counts(requests=1))
        group.cancel_scope.cancel()
    assert [line.counts.requests for line in report(database, Wanted(ALL_GROUPS, TODAY, TODAY))] == [1]
    database.close()


_COUNTING = """
import sys, anyio
from pathlib import Path
from core.database import Database
from server.usage.counts import Counts
from server.usage.ledger import Ledger
from server.usage.tables import metadata

async def main():
    database = Database(Path(sys.argv[1]))
    metadata.create_all(database.engine)
    ledger = Ledger(database)
    async with anyio.create_task_group() as group:
        group.start_soon(ledger.run)
        counted = 0
        while True:
            ledger.add("2027-01-15", "key:ada", "plain", Counts(requests=1))
            counted += 1
            print(counted, flush=True)
            await anyio.sleep(0.02)

anyio.run(main)
"""


def test_a_killed_server_loses_about_a_second_of_what_it_counted(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    said = tmp_path / "said"
    with said.open("w") as out:
        command = [sys.executable, "-c", _COUNTING, str(path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=out)
    try:
        deadline = time.monotonic() + _PATIENCE
        while said.read_text().count("\n") < 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(_PATIENCE)
    counted = said.read_text().count("\n")
    database = Database(path)
    kept = sum(line.counts.requests for line in report(database, Wanted((), TODAY, TODAY)))
    database.close()
    assert counted - 150 <= kept <= counted + 1  # at 50 a second, and with two seconds for a slow machine
