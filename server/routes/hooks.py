"""`/api/hooks`: signed questions of other programs to a persona, and what became of them."""

import anyio
import httpx
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from core.errors import InvalidRequest, NotFound, TooLarge
from core.ids import PersonaId
from core.principal import Scope
from server.access import KeyHolder, key_holder
from server.hooks.job import Callback, CallbackState, Job
from server.hooks.signature import SIGNATURE, TIMESTAMP
from server.requests import read_body, read_bytes
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()
_MOST_BYTES = 256_000
_ACCEPTED = 202


class HookBody(BaseModel):
    """A question to the persona."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delivery: str = Field(
        min_length=8,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="Your id of this question; the same id with the same body is the same job.",
    )
    input: str = Field(min_length=1, max_length=200_000, description="What to ask.")
    callback_url: str | None = Field(
        None, max_length=2_000, description="Where the answer goes: a host that the hook's secret is bound to."
    )
    reference: str | None = Field(None, max_length=512, description="Your own word, told back.")


@router.post("/api/hooks/{persona}")
async def take(persona: str, request: Request, services: TheServices) -> Response:
    """Take a signed question in; the answer comes by callback, or is looked up."""
    content = await read_bytes(request)
    if len(content) > _MOST_BYTES:
        raise TooLarge(f"The body of a hook has at most {_MOST_BYTES} bytes.")
    name = PersonaId(persona)
    hook = services.hooks.signer(name, *_signature(request), content)
    asked = await read_body(request, HookBody)
    if asked.callback_url is not None:
        _check_url(asked.callback_url)
        services.hooks.check_callback(hook, name, asked.callback_url)
    job = await anyio.to_thread.run_sync(
        lambda: services.hooks.store.accept(
            name,
            hook.name,
            delivery=asked.delivery,
            content=content,
            question=asked.input,
            reference=asked.reference,
            callback_url=asked.callback_url,
        )
    )
    services.hooks.wake()
    return JsonResponse({"object": "hook.job", "id": job.id, "state": job.state.value}, status_code=_ACCEPTED)


@router.get("/api/hooks/jobs")
async def list_jobs(services: TheServices, principal: KeyHolder) -> Response:
    """List the newest jobs of all hooks, the newest first."""
    principal.require(Scope.ADMIN)
    found = await anyio.to_thread.run_sync(services.hooks.store.list)
    return JsonResponse({"object": "list", "data": [_shown(*one) for one in found]})


@router.get("/api/hooks/jobs/{job_id}")
async def show_job(job_id: str, request: Request, services: TheServices) -> Response:
    """Return a job: to an administrator, or to the hook that signs the request's path."""
    timestamp, signature = _signature(request)
    if signature is None:
        (await key_holder(request, services)).require(Scope.ADMIN)
        return JsonResponse(_shown(*await anyio.to_thread.run_sync(services.hooks.store.get, job_id)))
    try:
        job, callback = await anyio.to_thread.run_sync(services.hooks.store.get, job_id)
    except NotFound as error:
        raise services.hooks.unsigned() from error  # nobody learns which ids there are
    hook = services.hooks.signer(job.persona, timestamp, signature, request.url.path.encode())
    if hook.name != job.hook:
        raise services.hooks.unsigned()
    return JsonResponse(_shown(job, callback))


@router.post("/api/hooks/jobs/{job_id}/retry")
async def retry(job_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Try a failed job again, or callbacks that were given up."""
    principal.require(Scope.ADMIN)
    await anyio.to_thread.run_sync(services.hooks.store.retry, job_id)
    services.hooks.wake()
    return JsonResponse(_shown(*await anyio.to_thread.run_sync(services.hooks.store.get, job_id)))


def _signature(request: Request) -> tuple[str | None, str | None]:
    return request.headers.get(TIMESTAMP), request.headers.get(SIGNATURE)


def _check_url(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise _no_url() from error
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo or parsed.fragment:
        raise _no_url()


def _no_url() -> InvalidRequest:
    return InvalidRequest(
        "'callback_url' must be an http or https URL without user name and fragment.",
        code="invalid_value",
        param="callback_url",
    )


def _shown(job: Job, callback: Callback | None) -> dict[str, object]:
    told = callback.told() if callback else {}
    return {
        "object": "hook.job",
        "id": job.id,
        "persona": job.persona,
        "hook": job.hook,
        "delivery": job.delivery,
        "reference": job.reference,
        "state": job.state.value,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "answer": told.get("answer"),
        "citations": told.get("citations", []),
        "approvals": told.get("approvals", []),
        "error": told.get("error"),
        "callback": None
        if callback is None or job.callback_url is None
        else {
            "id": callback.id,
            "url": job.callback_url,
            "state": callback.state.value,
            "attempts": callback.attempts,
            "next_at": callback.next_at if callback.state is CallbackState.PENDING else None,
            "delivered_at": callback.delivered_at,
            "last_status": callback.last_status,
        },
    }
