"""`/v1/fine_tuning/jobs`: training an adapter, as OpenAI's clients ask for it. A job is its owner's alone."""

import re
import secrets
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Request, Response

from adapters.jobs.job import Asked, Job, NewJob, Step
from core.errors import InvalidRequest, ModelNotFound
from core.paging import Slice
from core.principal import Principal, Scope
from server.access import KeyHolder
from server.fine_tuning.bodies import JobBody
from server.fine_tuning.shown import checkpoint_shown, event_shown, job_shown, listed
from server.requests import read_body
from server.routes.paging import slice_of
from server.served_base import is_served
from server.services import Services, TheServices
from server.wire import JsonResponse

router = APIRouter()
_JOBS = "/v1/fine_tuning/jobs"
_METADATA = re.compile(r'metadata\[([^"\\]{1,64})\]')
_MOST_SEED = 2_147_483_647
Part = Annotated[Slice, Depends(slice_of(most=100, usual=20))]


@router.post(_JOBS)
async def create_fine_tuning_job(request: Request, services: TheServices, principal: KeyHolder) -> Response:
    """Take a fine-tuning job in; its files are validated and its turn comes later."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, JobBody)
    new = _new_job(services, principal, body)
    job = await anyio.to_thread.run_sync(services.tuning.create, new)
    return JsonResponse(job_shown(job))


@router.get(_JOBS)
async def list_fine_tuning_jobs(
    request: Request, services: TheServices, principal: KeyHolder, part: Part
) -> Response:
    """List the caller's jobs, the newest first."""
    principal.require(Scope.ADAPTERS)
    query = request.query_params.multi_items()
    labels = {found[1]: value for key, value in query if (found := _METADATA.fullmatch(key))}
    page = await anyio.to_thread.run_sync(services.tuning.jobs.list, str(principal.id), part, labels)
    return JsonResponse(listed(page, job_shown))


@router.get(_JOBS + "/{job_id}")
async def get_fine_tuning_job(job_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Return one of the caller's jobs."""
    return JsonResponse(job_shown(await _job(job_id, services, principal)))


@router.post(_JOBS + "/{job_id}/cancel")
async def cancel_fine_tuning_job(job_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Cancel a job; one that is trained at this moment ends within a second or two."""
    await _job(job_id, services, principal)
    return await _asked(job_id, services, Asked.CANCEL)


@router.post(_JOBS + "/{job_id}/pause")
async def pause_fine_tuning_job(job_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Pause a job; others have their turn meanwhile."""
    await _job(job_id, services, principal)
    return await _asked(job_id, services, Asked.PAUSE)


@router.post(_JOBS + "/{job_id}/resume")
async def resume_fine_tuning_job(job_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Queue a paused job again; it goes on from its last checkpoint."""
    await _job(job_id, services, principal)
    job = await anyio.to_thread.run_sync(services.tuning.jobs.resume, job_id)
    services.tuning.wake()
    return JsonResponse(job_shown(job))


@router.get(_JOBS + "/{job_id}/events")
async def list_fine_tuning_events(
    job_id: str, services: TheServices, principal: KeyHolder, part: Part
) -> Response:
    """List what has happened to a job, the newest first."""
    await _job(job_id, services, principal)
    page = await anyio.to_thread.run_sync(services.tuning.jobs.events, job_id, part)
    return JsonResponse(listed(page, event_shown))


@router.get(_JOBS + "/{job_id}/checkpoints")
async def list_fine_tuning_checkpoints(
    job_id: str, services: TheServices, principal: KeyHolder, part: Part
) -> Response:
    """List the validations of a job, the newest first."""
    job = await _job(job_id, services, principal)
    page = await anyio.to_thread.run_sync(services.tuning.jobs.checkpoints, job_id, part)
    steps = await anyio.to_thread.run_sync(services.tuning.jobs.steps, job_id)
    trained = steps[Step.TRAIN].outcome if Step.TRAIN in steps else None
    shown = checkpoint_shown(job, (trained or {}).get("kept_step"))
    data = [shown(one) for one in page.items]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return JsonResponse({"object": "list", "data": data, **ends, "has_more": page.more})


async def _job(job_id: str, services: Services, principal: Principal) -> Job:
    principal.require(Scope.ADAPTERS)
    return await anyio.to_thread.run_sync(services.tuning.jobs.get, job_id, str(principal.id))


async def _asked(job_id: str, services: Services, asked: Asked) -> Response:
    job = await anyio.to_thread.run_sync(services.tuning.jobs.ask, job_id, asked)
    return JsonResponse(job_shown(job))


def _new_job(services: Services, principal: Principal, body: JobBody) -> NewJob:
    persona: str | None = None
    try:
        found = services.personas.get(body.model, principal)
        persona, adapter = found.id, found.spec.model.adapter or found.id
    except ModelNotFound:
        if not is_served(body.model, services.engine.base_model, services.settings):
            raise
        adapter = _adapter_name(body.suffix)
    return NewJob(
        principal=str(principal.id),
        model=body.model,
        adapter=adapter,
        training_file=body.training_file,
        validation_file=body.validation_file,
        persona=persona,
        suffix=body.suffix,
        wish=body.wish(secrets.randbelow(_MOST_SEED)),
        labels=body.metadata or {},
    )


def _adapter_name(suffix: str | None) -> str:
    if suffix is None:
        return f"tuned-{secrets.token_hex(4)}"
    name = re.sub(r"[^a-z0-9]+", "-", suffix.lower()).strip("-")
    if not name:
        raise InvalidRequest(
            f"No adapter can be named after the suffix {suffix!r}. Use letters and digits.",
            code="invalid_value",
            param="suffix",
        )
    return name
