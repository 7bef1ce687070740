"""What tests of evaluations start from: a registered version of the adapter `tuned`, and an eval file about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from tests.adapters.tiny import make_adapter, make_base
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway

CAPITALS = [("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid"), ("Japan", "Tokyo")]


def register(gateway: Gateway, folder: Path, count: int = 1) -> None:
    """Register versions of `tuned` that the fake engine answers for."""
    base = BaseModel.load(make_base(folder / "base"))
    for number in range(1, count + 1):
        adapter = make_adapter(folder / f"adapter{number}", seed=number)
        made = gateway.services.evaluations.beginning.registry.import_folder(
            adapter, "tuned", base=base, limits=ImportLimits()
        )
        gateway.engine.models.add(made.engine_name)
    gateway.releases.versions["tuned"] = f"tuned@{count}"


def spec(cases: int = 40, **fields: Any) -> dict[str, Any]:
    """Return an eval file: so many questions for capitals, one rule against the prompt alone."""
    asked = [
        {"prompt": f"{number}: the capital of {country}?", "expected": city, "label": country}
        for number, (country, city) in zip(range(cases), CAPITALS * cases, strict=False)
    ]
    rule = {"metric": "capitals.exact", "comparator": "base", "op": ">"}
    one = {"name": "capitals", "graders": [{"kind": "exact"}], "cases": asked}
    return {"name": "capitals", "persona": "tuned", "sets": [one], "gate": [rule], **fields}


def knowing(*models: str) -> Callable[[dict[str, Any]], Reply]:
    """Return a model of which only `models` know the capitals."""

    def answer(body: dict[str, Any]) -> Reply:
        question = str(body["messages"][-1]["content"])
        city = next((city for country, city in CAPITALS if country in question), "nothing")
        return Reply(text=city if body["model"] in models else "I do not know")

    return answer


async def ended(client: httpx.AsyncClient, eval_id: str) -> dict[str, Any]:
    """Wait until an evaluation is over; return it."""
    told: dict[str, Any] = {"state": "queued"}
    with anyio.move_on_after(280):
        while told["state"] == "queued":
            told = (await client.get(f"/api/evals/{eval_id}")).json()
            await anyio.sleep(0.1)
    assert told["state"] != "queued", told
    return told


async def evaluated(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """Begin an evaluation and wait until it is over; return it."""
    begun = await client.post("/api/evals", json=body)
    assert begun.status_code == 202, begun.text
    return await ended(client, begun.json()["id"])
