"""Evaluations are durable: what was answered is kept, what waits goes on, and the same command joins it."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from adapters.evaluation import Answer, Arm, parse_spec
from adapters.verdict import Outcome
from core.clock import system_clock
from core.ids import PrincipalId
from core.principal import Principal, Scope
from server.engine_port import Readiness
from server.evaluation.asking import Asking
from server.evaluation.pipeline import PIPELINE
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start
from tests.server.evals import ended, evaluated, knowing, register, spec

pytestmark = pytest.mark.anyio


async def test_answers_that_are_there_are_not_asked_for_again(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    gateway.engine.model = knowing("tuned@1")
    evaluations, admin = gateway.services.evaluations, Principal(PIPELINE.id, frozenset({Scope.ADMIN}))
    begun = evaluations.beginning.begin(_spec(3), 1, admin)  # not woken: as if killed at once
    kept = {f"capitals/{number}": Answer(text="kept") for number in (1, 2)}
    evaluations.store.keep(begun.id, Arm.CANDIDATE.value, kept)
    evaluations.worker.wake()
    async with gateway.admin() as client:
        told = await ended(client, begun.id)
        report = (await client.get(f"/api/evals/{begun.id}/report")).json()
    assert told["state"] == "done"
    assert [one["arms"]["candidate"]["text"] for one in report["answers"]] == ["kept", "kept", "Madrid"]
    assert len(gateway.engine.requests) == 4


async def test_an_answer_once_kept_is_never_replaced(gateway: Gateway) -> None:
    store = gateway.services.evaluations.store
    for text in ("first", "second"):
        store.keep("eval-1", "base", {"set/1": Answer(text=text)})
    assert store.answers("eval-1")["base"]["set/1"].text == "first"


async def test_the_same_evaluation_is_joined_and_one_that_is_done_is_made_anew(
    gateway: Gateway, tmp_path: Path
) -> None:
    register(gateway, tmp_path)
    body = {"spec": spec(1), "version": 1}
    async with gateway.admin() as client:
        first, joined = [(await client.post("/api/evals", json=body)).json()["id"] for _ in range(2)]
        await ended(client, first)
        anew = (await evaluated(client, body))["id"]
    assert first == joined
    assert anew != first


async def test_an_engine_that_is_away_postpones_an_evaluation_and_fails_nothing(
    start: Start, tmp_path: Path
) -> None:
    async with start(clock=system_clock) as gateway:
        register(gateway, tmp_path)
        gateway.readiness.append(Readiness(False, "The engine is being restarted.", 0.1))
        async with gateway.admin() as client:
            begun = (await client.post("/api/evals", json={"spec": spec(1), "version": 1})).json()
            await _attempted(gateway, begun["id"])
            assert (await client.get(f"/api/evals/{begun['id']}")).json()["state"] == "queued"
            gateway.readiness.append(Readiness(True))
            assert (await ended(client, begun["id"]))["state"] == "done"


async def test_a_cancelled_evaluation_ends_and_keeps_its_answers(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    gateway.engine.model = lambda body: Reply(hangs_after=0)
    async with gateway.admin() as client:
        begun = (await client.post("/api/evals", json={"spec": spec(1), "version": 1})).json()
        await anyio.to_thread.run_sync(gateway.engine.hanging.wait, 60)
        cancelled = await client.post(f"/api/evals/{begun['id']}/cancel")
        again = await client.post(f"/api/evals/{begun['id']}/cancel")
        assert (await client.get(f"/api/evals/{begun['id']}/report")).json()["error"][
            "code"
        ] == "evaluation_not_done"
        gateway.engine.model = knowing("tuned@1")
        told = await evaluated(client, {"spec": spec(1), "version": 1})
    assert (cancelled.json()["state"], again.status_code) == ("cancelled", 409)
    assert (told["id"], told["state"]) == (begun["id"], "done")


async def test_a_persona_that_changes_meanwhile_fails_the_evaluation_in_words(
    gateway: Gateway, tmp_path: Path
) -> None:
    register(gateway, tmp_path)
    evaluations = gateway.services.evaluations
    begun = evaluations.beginning.begin(_spec(1), 1, PIPELINE)
    file = gateway.personas_dir / "tuned.yaml"
    file.write_text(file.read_text().replace("You are tuned.", "You are changed."))
    assert gateway.services.personas.reload()
    evaluations.worker.wake()
    async with gateway.admin() as client:
        told = await ended(client, begun.id)
    assert (told["state"], told["error"]["code"]) == ("failed", "persona_changed")


async def test_a_revoked_key_asks_nothing_more(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    gateway.secret("evaluator", Scope.CHAT, Scope.ADAPTERS)
    evaluations, who = gateway.services.evaluations, PrincipalId("key:evaluator")
    begun = evaluations.beginning.begin(_spec(1), 1, Principal(who, frozenset({Scope.CHAT, Scope.ADAPTERS})))
    gateway.services.keys.revoke("evaluator")
    evaluations.worker.wake()
    async with gateway.admin() as client:
        told = await ended(client, begun.id)
    assert (told["state"], told["error"]["code"]) == ("failed", "key_revoked")
    assert gateway.engine.requests == []
    gateway.secret("another", Scope.CHAT, Scope.ADAPTERS)
    another = Principal(PrincipalId("key:another"), frozenset({Scope.CHAT, Scope.ADAPTERS}))
    again = evaluations.beginning.begin(_spec(1), 1, another)
    assert (again.id, again.by, again.moves) == (begun.id, "key:another", True)
    evaluations.worker.wake()
    async with gateway.admin() as client:
        assert (await ended(client, begun.id))["state"] == "done"


async def test_a_pipeline_gets_its_verdict_and_moves_the_version_itself(gateway: Gateway, tmp_path: Path) -> None:
    register(gateway, tmp_path)
    gateway.engine.model = knowing("tuned@1")
    evaluations = gateway.services.evaluations
    version = evaluations.beginning.registry.get("tuned", 1)
    assert await anyio.to_thread.run_sync(evaluations.gate, version) is None  # nothing says how
    _persona_with(gateway, "evaluation: capitals.yaml")
    _write(tmp_path / "capitals.yaml", spec())
    verdict = await anyio.to_thread.run_sync(evaluations.gate, version)
    assert verdict is not None
    assert (verdict.outcome, verdict.evaluation[:5]) == (Outcome.PASS, "eval-")
    assert evaluations.beginning.registry.get("tuned", 1).state == "trained"


async def test_an_eval_file_that_is_broken_is_inconclusive_for_a_pipeline(
    gateway: Gateway, tmp_path: Path
) -> None:
    register(gateway, tmp_path)
    _persona_with(gateway, "evaluation: capitals.yaml")
    (tmp_path / "capitals.yaml").write_text("name: x\n")
    evaluations = gateway.services.evaluations
    verdict = await anyio.to_thread.run_sync(evaluations.gate, evaluations.beginning.registry.get("tuned", 1))
    assert verdict is not None
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "capitals.yaml:1: persona: missing" in verdict.reason


async def test_likelihoods_are_asked_of_the_engine_under_each_arms_weights(
    gateway: Gateway, tmp_path: Path
) -> None:
    register(gateway, tmp_path)
    asked: list[tuple[str, str]] = []

    async def likelihood(model: str, text: str) -> list[float]:
        asked.append((model, text))
        return [-1.0, -2.0] if "more" in text else [-4.0]

    evaluations = gateway.services.evaluations
    cases = [{"likelihood": ["more", "less"]}]
    one = {"name": "texts", "graders": [{"kind": "preference"}], "cases": cases}
    checked = parse_spec(_yaml(spec(1, sets=[one], gate=[])), "x.yaml")
    begun = evaluations.beginning.begin(checked, 1, PIPELINE)
    asking, tasks = Asking(gateway.services, likelihood), evaluations.store.definition(begun.id).tasks
    told = [await asking.ask(begun, checked, arm, tasks[0]) for arm in (Arm.BASE, Arm.CANDIDATE)]
    assert [answer.value for answer in told] == [1.0, 1.0]
    assert [model for model, _ in asked] == ["base", "base", "tuned@1", "tuned@1"]
    with pytest.raises(Exception, match="cannot ask its engine"):
        await Asking(gateway.services, None).ask(begun, checked, Arm.BASE, tasks[0])


def _spec(cases: int) -> Any:
    return parse_spec(_yaml(spec(cases)), "x.yaml")


def _yaml(told: dict[str, Any]) -> bytes:
    return json.dumps(told).encode()


def _write(path: Path, told: dict[str, Any]) -> None:
    path.write_bytes(_yaml(told))


def _persona_with(gateway: Gateway, line: str) -> None:
    file = gateway.personas_dir / "tuned.yaml"
    file.write_text(f"{file.read_text()}{line}\n")
    assert gateway.services.personas.reload()


async def _attempted(gateway: Gateway, eval_id: str) -> None:
    """Wait until the worker has tried once and put the evaluation off."""
    store = gateway.services.evaluations.store
    first = store.get(eval_id)
    with anyio.fail_after(60):
        while (await anyio.to_thread.run_sync(store.get, eval_id)).next_at == first.next_at:
            await anyio.sleep(0.05)
