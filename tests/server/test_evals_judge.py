"""The judge: both orders, only consistent wins, agreement with people, and the network guard before all of it."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.engine import FakeEngine, Reply, running_engine
from tests.server.conftest import Start
from tests.server.evals import evaluated, knowing, register, spec

pytestmark = pytest.mark.anyio
CAPITALS = ("Paris", "Rome", "Madrid", "Tokyo")


def _fair(body: dict[str, Any]) -> Reply:
    """Prefer the answer that names a capital."""
    text = str(body["messages"][-1]["content"])
    first, second = text.partition("Answer A:")[2].split("Answer B:")
    knows = [any(city in one for city in CAPITALS) for one in (first, second)]
    return Reply(text="TIE" if knows[0] == knows[1] else "A" if knows[0] else "B")


def _first(body: dict[str, Any]) -> Reply:
    """Prefer whatever stands first, as weak judges do."""
    return Reply(text="A")


def _asked(judge: FakeEngine, labels: int, **fields: Any) -> dict[str, Any]:
    label = {"prompt": "The capital of France?", "a": "Paris", "b": "I do not know", "human": "a"}
    swapped = {"prompt": "The capital of Italy?", "a": "no idea", "b": "Rome", "human": "b"}
    told = spec(30)
    told["sets"][0]["judge"] = True
    told["judge"] = {"url": f"{judge.url}/v1", "model": "judge", "labels": [label, swapped] * labels, **fields}
    told["gate"].append({"metric": "capitals.judge", "comparator": "base", "op": ">"})
    return told


@pytest.mark.parametrize(
    ("model", "labels", "outcome", "doubt"),
    [
        (_fair, 5, "pass", None),
        (_fair, 1, "inconclusive", "people have compared 2 pairs"),
        (_first, 5, "fail", "is 0.00, under 0.6"),
    ],
)
async def test_a_judge_decides_only_where_it_is_consistent_and_people_agree(
    start: Start,
    tmp_path: Path,
    model: Callable[[dict[str, Any]], Reply],
    labels: int,
    outcome: str,
    doubt: str | None,
) -> None:
    with running_engine() as judge:
        judge.models, judge.model = {"judge"}, model
        async with start(private_hosts=judge.url.removeprefix("http://")) as gateway, gateway.admin() as client:
            register(gateway, tmp_path)
            gateway.engine.model = knowing("tuned@1")
            told = await evaluated(client, {"spec": _asked(judge, labels, min_labels=10), "version": 1})
            report = (await client.get(f"/api/evals/{told['id']}/report")).json()
    rule = report["gate"]["rules"][1]
    assert report["judge"]["kappa"] == (1.0 if model is _fair else 0.0)
    assert (report["judge"]["doubt"] is None) == (doubt is None)
    assert rule["outcome"] == ("inconclusive" if doubt else outcome)
    assert doubt is None or doubt in rule["reason"]
    assert len(judge.requests) == 2 * (30 + 2 * labels)
    assert all(body["temperature"] == 0 for body in judge.requests)


async def test_a_judge_at_a_private_address_is_refused_in_words(start: Start, tmp_path: Path) -> None:
    with running_engine() as judge:
        async with start() as gateway, gateway.admin() as client:
            register(gateway, tmp_path)
            told = await evaluated(client, {"spec": _asked(judge, 1), "version": 1})
        assert judge.requests == []
    assert (told["state"], told["error"]["code"]) == ("failed", "judge_refused")
    assert "REPERTORY_PRIVATE_HOSTS" in told["error"]["message"]


KEY = "sk-judge-4f9c2a71d08e5b36"


def _talkative(body: dict[str, Any]) -> Reply:
    """Judge fairly, and give the key away with each word."""
    return Reply(text=f"Your key is {KEY}. {_fair(body).text}")


def _indignant(body: dict[str, Any]) -> Reply:
    """Refuse as some services do: with the key in the message."""
    return Reply(status=401, message=f"Incorrect API key provided: {KEY}.")


@pytest.mark.parametrize(
    ("model", "state", "code"), [(_talkative, "done", None), (_indignant, "failed", "judge_refused")]
)
async def test_a_judges_key_is_sent_to_it_alone_and_is_in_no_answer_no_report_no_row_and_no_log(
    start: Start,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    model: Callable[[dict[str, Any]], Reply],
    state: str,
    code: str | None,
) -> None:
    caplog.set_level(logging.DEBUG)
    with running_engine() as judge:
        judge.models, judge.model = {"judge"}, model
        host = judge.url.removeprefix("http://")
        secrets = tmp_path / "secrets.yaml"
        secrets.write_text(f"judge: {{value: {KEY}, hosts: ['{host}']}}\n")
        async with start(private_hosts=host, secrets_file=secrets) as gateway, gateway.admin() as client:
            register(gateway, tmp_path)
            gateway.engine.model = knowing("tuned@1")
            told = await evaluated(client, {"spec": _asked(judge, 5, min_labels=10, secret="judge"), "version": 1})
            paths = [f"/api/evals/{told['id']}{end}" for end in ("", "/report", "/page")]
            shown = [(await client.get(path)).text for path in [*paths, "/api/evals"]]
            with closing(sqlite3.connect(gateway.services.settings.database_path)) as connection:
                rows = "\n".join(connection.iterdump())
    assert (told["state"], (told["error"] or {}).get("code")) == (state, code)
    assert set(judge.authorizations) == {f"Bearer {KEY}"}
    assert not any(KEY in one for one in gateway.engine.authorizations if one)
    assert told["id"] in rows
    assert all(KEY not in text for text in [str(told), *shown, rows, caplog.text])


async def test_a_judges_key_that_is_for_another_host_goes_nowhere(start: Start, tmp_path: Path) -> None:
    with running_engine() as judge:
        secrets = tmp_path / "secrets.yaml"
        secrets.write_text(f"judge: {{value: {KEY}, hosts: [judge.example]}}\n")
        hosts = judge.url.removeprefix("http://")
        async with start(private_hosts=hosts, secrets_file=secrets) as gateway, gateway.admin() as client:
            register(gateway, tmp_path)
            told = await evaluated(client, {"spec": _asked(judge, 1, secret="judge"), "version": 1})
        assert judge.authorizations == []
    assert (told["state"], told["error"]["code"]) == ("failed", "secret_refused")


async def test_a_key_in_the_address_of_a_judge_is_refused(start: Start) -> None:
    with running_engine() as judge:
        async with start() as gateway, gateway.admin() as client:
            asked = _asked(judge, 1)
            for url in (f"http://user:{KEY}@judge.example/v1", f"http://judge.example/v1?key={KEY}"):
                asked["judge"]["url"] = url
                refused = await client.post("/api/evals", json={"spec": asked, "version": 1})
                assert refused.status_code == 400
                assert "write no key into the URL" in refused.text
                assert KEY not in refused.text
