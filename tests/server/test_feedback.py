"""Opinions of answers, kept beside what the answers came from."""

from typing import Any

import anyio
import openai
import pytest

from core.principal import Scope
from tests.server.conftest import Gateway

pytestmark = pytest.mark.anyio


async def _asked(gateway: Gateway, key: str, model: str = "librarian", **fields: Any) -> str:
    return (await gateway.ask(model, "When does the library open?", key=key, **fields)).id


async def test_an_opinion_is_kept_beside_revision_adapter_and_sources_of_its_answer(gateway: Gateway) -> None:
    key = gateway.secret("ada", Scope.CHAT)
    answer = await _asked(gateway, key, user="mira")
    tuned = await _asked(gateway, key, "tuned")
    async with gateway.http(authorization=f"Bearer {key}") as ada:
        body = {"answer": answer, "rating": "bad", "reason": "It opens at ten.", "by": "ole"}
        kept = (await ada.post("/api/feedback", json=body)).json()
        await ada.post("/api/feedback", json={"answer": tuned, "rating": "good"})
        listed = (await ada.get("/api/feedback")).json()["data"]
        bad = (await ada.get("/api/feedback", params={"rating": "bad"})).json()["data"]
    told = {
        name: kept[name] for name in ("object", "answer", "rating", "reason", "by", "user", "principal", "persona")
    }
    assert told == {
        "object": "feedback",
        "answer": answer,
        "rating": "bad",
        "reason": "It opens at ten.",
        "by": "ole",
        "user": "mira",
        "principal": "key:ada",
        "persona": "librarian",
    }
    assert kept["sources"]
    assert kept["revision"] == gateway.services.personas.get("librarian", _admin(gateway)).revision
    assert [(one["persona"], one["adapter"]) for one in listed] == [("tuned", "tuned@3"), ("librarian", None)]
    assert [one["id"] for one in bad] == [kept["id"]]


def _admin(gateway: Gateway) -> Any:
    return gateway.services.gate.identify(f"Bearer {gateway.secret('admin', Scope.ADMIN)}", key_needed=True)


async def test_a_later_opinion_of_the_same_person_takes_the_place_of_the_earlier_one(gateway: Gateway) -> None:
    key = gateway.secret("ada", Scope.CHAT)
    answer = await _asked(gateway, key)
    async with gateway.http(authorization=f"Bearer {key}") as ada:
        for rating, by in (("good", "ole"), ("bad", "ole"), ("good", "mira")):
            await ada.post("/api/feedback", json={"answer": answer, "rating": rating, "by": by})
        listed = (await ada.get("/api/feedback", params={"answer": answer})).json()["data"]
    assert sorted((one["by"], one["rating"]) for one in listed) == [("mira", "good"), ("ole", "bad")]


async def test_nobody_judges_or_sees_anothers_answers_but_an_administrator(gateway: Gateway) -> None:
    answer = await _asked(gateway, gateway.secret("ada", Scope.CHAT))
    eve = gateway.secret("eve", Scope.CHAT)
    async with gateway.http(authorization=f"Bearer {eve}") as other, gateway.admin() as admin:
        refused = await other.post("/api/feedback", json={"answer": answer, "rating": "bad"})
        unknown = await other.post("/api/feedback", json={"answer": "chatcmpl-none", "rating": "bad"})
        taken = await admin.post("/api/feedback", json={"answer": answer, "rating": "bad"})
        seen = (await other.get("/api/feedback")).json()["data"]
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "answer_not_found")
    assert refused.json()["error"]["message"].replace(answer, "") == unknown.json()["error"]["message"].replace(
        "chatcmpl-none", ""
    )
    assert taken.status_code == 200
    assert seen == []


async def test_feedback_goes_with_the_transcripts_of_who_asked_or_who_said_it(gateway: Gateway) -> None:
    key = gateway.secret("ada", Scope.CHAT)
    answer = await _asked(gateway, key, user="mira")
    async with gateway.http(authorization=f"Bearer {key}") as ada:
        for by in ("mira", "ole"):
            await ada.post("/api/feedback", json={"answer": answer, "rating": "bad", "by": by})
        first = (await ada.delete("/api/transcripts", params={"user": "ole"})).json()
        second = (await ada.delete("/api/transcripts", params={"user": "mira"})).json()
        left = (await ada.get("/api/feedback")).json()["data"]
    assert (first["feedback_deleted"], first["deleted"]) == (1, 0)
    assert (second["feedback_deleted"], second["deleted"]) == (1, 1)
    assert left == []


async def test_a_request_names_stores_of_its_own_and_never_anothers(gateway: Gateway) -> None:
    ada, eve = (gateway.openai(gateway.secret(name, Scope.CHAT, Scope.KNOWLEDGE)) for name in ("ada", "eve"))
    file = await ada.files.create(
        file=("menu.md", b"# Menu\n\nPumpkin soup is served on Thursdays.\n"), purpose="assistants"
    )
    store = await ada.vector_stores.create(name="menu", file_ids=[file.id])
    while (await ada.vector_stores.retrieve(store.id)).status != "completed":
        await anyio.sleep(0.05)
    question = [{"role": "user", "content": "When is pumpkin soup served?"}]
    named: Any = {"model": "librarian", "messages": question}
    named["extra_body"] = {"repertory": {"include": True, "vector_stores": [store.id]}}
    answer = await ada.chat.completions.create(**named)
    assert answer.model_extra is not None
    assert store.id in {one["store"] for one in answer.model_extra["repertory"]["sources"]}
    assert "Pumpkin soup" in str(gateway.engine.requests[-1]["messages"])
    with pytest.raises(openai.NotFoundError):
        await eve.chat.completions.create(**named)
    plain: Any = named | {"model": "plain"}
    await ada.chat.completions.create(**plain)
    assert "Pumpkin soup" in str(gateway.engine.requests[-1]["messages"])
