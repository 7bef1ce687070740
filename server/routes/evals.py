"""`/api/evals`: evaluations of persona and adapter versions, how far they are, and what came out."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from adapters.evaluation import Evaluation, spec_of
from core.errors import NotFound
from core.ids import PersonaId
from core.principal import Principal, Scope
from server.access import KeyHolder
from server.requests import read_body
from server.services import Services, TheServices
from server.wire import JsonResponse

router = APIRouter()
_ACCEPTED = 202


class EvalBody(BaseModel):
    """What is to be evaluated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: dict[str, JsonValue] = Field(
        description="An eval file as JSON, with its cases inside or in a data set (docs/evaluation.md)."
    )
    version: int | None = Field(
        None,
        ge=1,
        le=999_999_999,
        description="The candidate; without it the prompt and the current version alone.",
    )


@router.post("/api/evals")
async def create(request: Request, services: TheServices, principal: KeyHolder) -> Response:
    """Begin an evaluation, or go on with the same one; it runs beside requests."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, EvalBody)
    begun = await anyio.to_thread.run_sync(
        lambda: services.evaluations.beginning.begin(spec_of(body.spec), body.version, principal)
    )
    services.evaluations.worker.wake()
    return JsonResponse(await _shown(services, begun), status_code=_ACCEPTED)


@router.get("/api/evals")
async def list_evals(
    services: TheServices,
    principal: KeyHolder,
    adapter: Annotated[str | None, Query(max_length=64)] = None,
    version: Annotated[int | None, Query(ge=1, le=999_999_999)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """List evaluations, the newest first."""
    principal.require(Scope.ADAPTERS)
    found = await anyio.to_thread.run_sync(lambda: services.evaluations.store.list(limit, adapter, version))
    mine = [one for one in found if _reaches(services, principal, one)]
    return JsonResponse({"object": "list", "data": [await _shown(services, one) for one in mine]})


@router.get("/api/evals/{eval_id}")
async def show(eval_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Tell how far an evaluation is, and its verdict."""
    return JsonResponse(await _shown(services, await _found(services, principal, eval_id)))


@router.get("/api/evals/{eval_id}/report")
async def report(eval_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Return every figure with its interval, the gate's rules, and all answers side by side."""
    found = await _found(services, principal, eval_id)
    result = await anyio.to_thread.run_sync(services.evaluations.store.result, eval_id)
    return JsonResponse({**await _shown(services, found), **result})


@router.get("/api/evals/{eval_id}/page")
async def page(eval_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Return the report as one HTML page that needs nothing from anywhere."""
    from adapters.evaluation.report import page as written

    found = await _found(services, principal, eval_id)
    result = await anyio.to_thread.run_sync(services.evaluations.store.result, eval_id)
    told = {**await _shown(services, found), **result}
    return HTMLResponse(await anyio.to_thread.run_sync(written, told))


@router.post("/api/evals/{eval_id}/cancel")
async def cancel(eval_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """End an evaluation without a result; begun again, it goes on with its answers."""
    await _found(services, principal, eval_id)
    cancelled = await anyio.to_thread.run_sync(services.evaluations.store.cancel, eval_id)
    services.evaluations.worker.cancel(eval_id)
    return JsonResponse(await _shown(services, cancelled))


async def _found(services: Services, principal: Principal, eval_id: str) -> Evaluation:
    principal.require(Scope.ADAPTERS)
    found = await anyio.to_thread.run_sync(services.evaluations.store.get, eval_id)
    if not _reaches(services, principal, found):  # another's looks like none
        raise NotFound(
            f"There is no evaluation {eval_id!r}. `repertory eval list` shows them.", code="evaluation_not_found"
        )
    return found


def _reaches(services: Services, principal: Principal, one: Evaluation) -> bool:
    return services.personas.reaches(PersonaId(one.persona), principal)


async def _shown(services: Services, one: Evaluation) -> dict[str, object]:
    evaluations = services.evaluations
    done = await anyio.to_thread.run_sync(evaluations.store.done, one.id, [arm.value for arm in one.arms])
    rate = evaluations.worker.rate(one.id, done)
    return {
        **one.shown(),
        "done": done,
        "per_second": rate,
        "seconds_left": (one.total - done) / rate if rate else None,
        "stale": evaluations.beginning.stale(one),
    }
