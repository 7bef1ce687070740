"""Evaluations over the API: the same questions to the prompt alone, the current and the candidate version."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from adapters.card import markdown_of
from core.principal import Scope
from server.openapi.rollout_shapes import CardShown
from server.routes.adapters import papers_of
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start
from tests.server.evals import evaluated, knowing, register, spec

pytestmark = pytest.mark.anyio


async def test_a_version_that_beats_the_prompt_alone_becomes_a_candidate(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    gateway.engine.model = knowing("tuned@1")
    async with gateway.admin() as client:
        told = await evaluated(client, {"spec": spec(), "version": 1})
        assert (told["state"], told["outcome"], told["done"], told["stale"]) == ("done", "pass", 80, False), told
        report = (await client.get(f"/api/evals/{told['id']}/report")).json()
        page = (await client.get(f"/api/evals/{told['id']}/page")).text
    exact = next(one for one in report["metrics"] if (one["metric"], one["slice"]) == ("capitals.exact", "all"))
    assert (exact["arms"]["base"]["value"], exact["arms"]["candidate"]["value"]) == (0, 1)
    assert exact["differences"]["base"]["low"] > 0.5
    assert {one["slice"] for one in report["metrics"]} >= {"all", "label:France"}
    assert "capitals.exact" in page
    assert "<script" not in page
    registry = gateway.services.evaluations.beginning.registry
    assert registry.get("tuned", 1).state == "candidate"
    moves = registry.history("tuned")
    assert [(one.to_state, one.by) for one in moves[1:]] == [
        ("evaluated", "key:admin"),
        ("candidate", "key:admin"),
    ]
    assert told["id"] in moves[-1].reason


async def test_the_card_of_a_version_has_what_its_newest_evaluation_found(
    gateway: Gateway, tmp_path: Path
) -> None:
    register(gateway, tmp_path)
    papers = papers_of(gateway.services.evaluations.beginning.registry)
    assert papers.card("tuned", 1)["evaluations"] == []
    gateway.engine.model = knowing("tuned@1")
    async with gateway.admin() as client:
        await evaluated(client, {"spec": spec(8), "version": 1})
        told = await evaluated(client, {"spec": spec(), "version": 1})
    card = papers.card("tuned", 1)
    (found,) = card["evaluations"]
    assert (found["id"], found["outcome"], found["reason"]) == (told["id"], "pass", told["reason"])
    exact = next(one for one in found["metrics"] if one["metric"] == "capitals.exact")
    assert (exact["n"], exact["arms"]["base"]["value"], exact["arms"]["candidate"]["value"]) == (40, 0, 1)
    assert 0.9 < exact["arms"]["candidate"]["low"] < exact["arms"]["candidate"]["high"] == 1
    assert found["rules"][0]["outcome"] == "pass"
    CardShown.model_validate(card)
    shown = markdown_of(card)
    assert "| metric | n | base | candidate |" in shown
    assert f"pass: {told['reason']}" in shown
    assert "| capitals.exact | 40 | 0.000 (0.000 to 0.088) | 1.000 (0.912 to 1.000) |" in shown


async def test_both_arms_are_asked_the_same_with_the_persona_and_at_temperature_nought(
    gateway: Gateway, tmp_path: Path
) -> None:
    register(gateway, tmp_path)
    async with gateway.admin() as client:
        await evaluated(client, {"spec": spec(2, seed=7, max_tokens=9), "version": 1})
    asked: dict[str, list[object]] = {"base": [], "tuned@1": []}
    for body in gateway.engine.requests:
        assert (body["temperature"], body["seed"]) == (0, 7)
        assert body["messages"][0]["content"].startswith("You are tuned.")
        asked[body["model"]].append(body["messages"])
    assert sorted(map(str, asked["base"])) == sorted(map(str, asked["tuned@1"]))
    assert len(asked["base"]) == 2


async def test_a_version_that_the_prompt_alone_equals_is_rejected_in_words(
    gateway: Gateway, tmp_path: Path
) -> None:
    register(gateway, tmp_path)
    gateway.engine.model = knowing("tuned@1", "base")
    async with gateway.admin() as client:
        told = await evaluated(client, {"spec": spec(), "version": 1})
    assert told["outcome"] == "fail"
    assert "The prompt alone does as well: do not tune." in told["reason"]
    assert gateway.services.evaluations.beginning.registry.get("tuned", 1).state == "rejected"


@pytest.mark.parametrize(("nats", "outcome"), [(2.2, "pass"), (3.0, "fail")])
async def test_a_version_that_answers_well_is_rejected_where_it_has_forgotten_plain_language(
    start: Start, tmp_path: Path, nats: float, outcome: str
) -> None:
    async def likelihood(model: str, text: str) -> list[float]:
        return [-nats if model == "tuned@1" else -2.0] * len(text.split())

    asked = spec(sets=[*spec()["sets"], {"name": "general", "builtin": "retention"}])
    asked["gate"] += [{"metric": "general.surprise", "comparator": "base", "op": "<=", "margin": 0.5}]
    async with start(likelihood=likelihood) as gateway:
        register(gateway, tmp_path)
        gateway.engine.model = knowing("tuned@1")
        async with gateway.admin() as client:
            told = await evaluated(client, {"spec": asked, "version": 1})
            report = (await client.get(f"/api/evals/{told['id']}/report")).json()
    assert [rule["outcome"] for rule in report["gate"]["rules"]] == ["pass", outcome]
    assert told["outcome"] == outcome


async def test_the_page_shows_the_answers_of_the_arms_side_by_side_first_where_they_differ(
    gateway: Gateway, tmp_path: Path
) -> None:
    register(gateway, tmp_path)

    def model(body: dict[str, Any]) -> Reply:
        asked = str(body["messages"][-1]["content"])
        told = {"39:": "Tokyo", "38:": "I <b>changed</b>"} if body["model"] == "tuned@1" else {}
        return Reply(text=told.get(asked[:3], "The same."))

    gateway.engine.model = model
    async with gateway.admin() as client:
        told = await evaluated(client, {"spec": spec(), "version": 1})
        page = (await client.get(f"/api/evals/{told['id']}/page")).text
    rows = page.partition("<h2>Answers</h2>")[2].split("<tr>")[2:]
    cells = [[unescape(text) for text in re.findall(r"<td><pre>(.*?)</pre>", row)] for row in rows]
    assert cells[:3] == [
        ["39: the capital of Japan?", "The same.", "Tokyo"],
        ["38: the capital of Spain?", "The same.", "I <b>changed</b>"],
        ["0: the capital of France?", "The same.", "The same."],
    ]
    assert len(cells) == 40
    assert "<b>" not in page


async def test_too_few_cases_are_inconclusive_and_promote_nothing(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    gateway.engine.model = knowing("tuned@1")
    async with gateway.admin() as client:
        told = await evaluated(client, {"spec": spec(8), "version": 1})
    assert told["outcome"] == "inconclusive"
    assert "8 cases are too few" in told["reason"]
    assert gateway.services.evaluations.beginning.registry.get("tuned", 1).state == "evaluated"


async def test_the_version_in_production_is_asked_too(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path, count=2)
    registry = gateway.services.evaluations.beginning.registry
    registry.promote("tuned", 1, by="ada", reason="a trial", override=True)
    gateway.engine.model = knowing("tuned@1")
    rule = {"metric": "capitals.exact", "comparator": "current", "op": ">=", "margin": 0.05}
    async with gateway.admin() as client:
        told = await evaluated(client, {"spec": spec(gate=[rule]), "version": 2})
    assert (told["arms"], told["outcome"]) == (["base", "current", "candidate"], "fail")
    assert "worse than the current" in told["reason"]


async def test_another_prompt_with_shots_stands_for_the_base(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    shots = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    async with gateway.admin() as client:
        await evaluated(client, {"spec": spec(1, base={"persona": "plain", "shots": shots}), "version": 1})
    told = {body["model"]: [one["content"] for one in body["messages"]] for body in gateway.engine.requests}
    assert told["base"][0].startswith("You are plain.")
    assert told["base"][1:3] == ["Hi", "Ho"]
    assert len(told["tuned@1"]) == 2


async def test_an_answer_that_the_engine_refuses_for_its_length_is_a_wrong_one(
    gateway: Gateway, tmp_path: Path
) -> None:
    register(gateway, tmp_path)
    long = Reply(status=400, message="This model's maximum context length is 10 tokens.")
    gateway.engine.model = lambda body: long if body["model"] == "tuned@1" else Reply(text="Paris")
    async with gateway.admin() as client:
        told = await evaluated(client, {"spec": spec(1), "version": 1})
        report = (await client.get(f"/api/evals/{told['id']}/report")).json()
    assert report["failed"] == {"base": 0, "candidate": 1}
    assert report["answers"][0]["arms"]["candidate"]["error"] == "context_length_exceeded"


async def test_changed_instructions_make_a_verdict_stale(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    gateway.engine.model = knowing("tuned@1")
    async with gateway.admin() as client:
        told = await evaluated(client, {"spec": spec(), "version": 1})
        file = gateway.personas_dir / "tuned.yaml"
        file.write_text(file.read_text().replace("You are tuned.", "You are tuned otherwise."))
        assert gateway.services.personas.reload()
        again = (await client.get(f"/api/evals/{told['id']}")).json()
    assert (told["stale"], again["stale"]) == (False, True)
    beginning = gateway.services.evaluations.beginning
    said = beginning.staleness(beginning.registry.get("tuned", 1))
    assert said is not None
    assert "evaluate again" in said
    assert beginning.registry.get("tuned", 1).state == "candidate"


async def test_an_evaluation_leaves_no_transcript_and_counts_as_use(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    async with gateway.admin() as client:
        await evaluated(client, {"spec": spec(2), "version": 1})
        transcripts = (await client.get("/api/transcripts")).json()
        usage = (await client.get("/api/usage")).json()
    assert transcripts["data"] == []
    assert sum(one["requests"] for one in usage["data"]) == 4


async def test_whoever_may_only_chat_begins_and_sees_no_evaluation(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    async with gateway.http(authorization=f"Bearer {gateway.secret('chat', Scope.CHAT)}") as client:
        assert (await client.post("/api/evals", json={"spec": spec(1)})).status_code == 403
        assert (await client.get("/api/evals")).status_code == 403
    async with gateway.http() as client:
        assert (await client.get("/api/evals")).status_code == 401


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 9}, "adapter_version_not_found"),
        ({"spec": spec(1, persona="nobody")}, "model_not_found"),
        ({"spec": spec(1, persona="plain"), "version": 1}, "no_adapter"),
        (
            {"spec": spec(1) | {"sets": [{"name": "a", "file": "/etc/passwd", "graders": [{"kind": "exact"}]}]}},
            None,
        ),
        ({"spec": spec(1) | {"surprise": 1}}, None),
    ],
)
async def test_what_cannot_be_evaluated_is_refused_before_anything_is_asked(
    gateway: Gateway, tmp_path: Path, change: dict[str, object], code: str | None
) -> None:
    register(gateway, tmp_path)
    async with gateway.admin() as client:
        answer = await client.post("/api/evals", json={"spec": spec(1), "version": 1} | change)
    assert answer.status_code in (400, 404), answer.text
    assert code is None or answer.json()["error"]["code"] == code
    assert gateway.engine.requests == []
