"""`/api/adapters`: versions, which one answers, and changing that under traffic."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adapters.papers import Papers
from adapters.registry import Registry
from adapters.retirement import WHOLE, Retirement
from adapters.rollouts.rollout import Ending
from adapters.version import AdapterVersion
from core.errors import NotFound
from core.principal import Scope
from server.access import KeyHolder
from server.releases import AdapterReleases
from server.requests import read_body
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()
_MOST_DIGITS = 9


class UseBody(BaseModel):
    """Which version is to answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, le=999_999_999)
    override: bool = False
    reason: str = Field("", max_length=1000)


class ApproveBody(BaseModel):
    """Why a version may go to users."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    override: bool = False
    reason: str = Field("", max_length=1000)


class RetireBody(BaseModel):
    """From when on a version, or all of an adapter, answers no more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int | None = Field(None, ge=1, le=999_999_999, description="Of the adapter; without it, all of it.")
    at: float = Field(ge=0, le=1e11, description="Seconds since the epoch.")
    successor: str = Field("", max_length=128, description="What to use instead.")
    reason: str = Field("", max_length=1000)


class RollbackBody(BaseModel):
    """Why the previous version is to answer again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: str = Field("", max_length=1000)


def _registry(request: Request) -> Registry:
    registry = request.app.state.registry
    assert isinstance(registry, Registry)  # noqa: S101  set by server.serve
    return registry


def _releases(request: Request) -> AdapterReleases:
    releases = request.app.state.services.releases
    assert isinstance(releases, AdapterReleases)  # noqa: S101  set by server.serve
    return releases


TheRegistry = Annotated[Registry, Depends(_registry)]
TheReleases = Annotated[AdapterReleases, Depends(_releases)]


@router.get("/api/adapters")
async def list_adapters(registry: TheRegistry, principal: KeyHolder) -> Response:
    """List every version of every adapter."""
    principal.require(Scope.ADAPTERS)
    found = await anyio.to_thread.run_sync(registry.list)
    return JsonResponse({"object": "list", "data": [shown(version) for version in found]})


@router.get("/api/adapters/{name}")
async def show_adapter(name: str, registry: TheRegistry, principal: KeyHolder) -> Response:
    """List the versions of one adapter and what was done with them."""
    principal.require(Scope.ADAPTERS)
    versions = await anyio.to_thread.run_sync(registry.list, name)
    if not versions:
        raise NotFound(f"There is no adapter {name!r}. `repertory adapter list` shows what there is.")
    history = await anyio.to_thread.run_sync(registry.history, name)
    ends = await anyio.to_thread.run_sync(registry.ends, name)
    aliases = await anyio.to_thread.run_sync(papers_of(registry).aliases, name)
    return JsonResponse(
        {
            "name": name,
            "versions": [shown(version) for version in versions],
            "aliases": aliases,
            "retirements": [
                {"version": end.version or None, "at": end.at, "successor": end.successor, "by": end.by}
                for end in ends
            ],
            "history": [
                {
                    "version": step.version,
                    "from": step.from_state.value if step.from_state else None,
                    "to": step.to_state.value,
                    "by": step.by,
                    "reason": step.reason,
                    "override": step.override,
                    "at": step.at,
                }
                for step in history
            ],
        }
    )


@router.post("/api/adapters/{name}/use")
async def use(request: Request, name: str, releases: TheReleases, principal: KeyHolder) -> Response:
    """Load a version, prove it, and let it answer from now on."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, UseBody)
    if body.override:
        principal.require(Scope.OVERRIDE)
    version = await releases.use(
        name, body.version, by=str(principal.id), reason=body.reason, override=body.override
    )
    return JsonResponse(shown(version))


@router.post("/api/adapters/{name}/versions/{number}/approve")
async def approve(
    request: Request, name: str, number: str, registry: TheRegistry, principal: KeyHolder
) -> Response:
    """Let a version that the gate has let pass go to users; its author cannot."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, ApproveBody)
    if body.override:
        principal.require(Scope.OVERRIDE)
    by = str(principal.id)
    approved = await anyio.to_thread.run_sync(
        lambda: registry.approve(name, numbered(name, number), by=by, reason=body.reason, override=body.override)
    )
    return JsonResponse(shown(approved))


@router.post("/api/adapters/{name}/retire")
async def retire(
    request: Request, name: str, registry: TheRegistry, releases: TheReleases, principal: KeyHolder
) -> Response:
    """Say from when on a version, or a whole adapter, answers 410; its files stay."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, RetireBody)
    end = Retirement(
        name, body.version or WHOLE, body.at, body.successor, str(principal.id), body.reason, registry.now()
    )
    await anyio.to_thread.run_sync(registry.retire, end)
    await releases.note_ends()
    return JsonResponse({"name": name, "version": body.version, "at": body.at, "successor": body.successor})


@router.post("/api/adapters/{name}/rollback")
async def rollback(
    request: Request, name: str, services: TheServices, releases: TheReleases, principal: KeyHolder
) -> Response:
    """Take back what was changed last: end the rollout that is under way, else return to the version before."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, RollbackBody)
    by, live = str(principal.id), releases.live(name)
    if live is not None and services.rollouts is not None:
        ended = await services.rollouts.stop(live.rollout.id, by=by, reason=body.reason)
        if ended.outcome is not Ending.PROMOTED:  # else somebody was quicker, and that is what was changed last
            return JsonResponse(shown(releases.serving(name)))
    return JsonResponse(shown(await releases.rollback(name, by=by, reason=body.reason)))


def numbered(name: str, number: str) -> int:
    """Return the number of a version as an address names it.

    Raises:
        NotFound: it is no number.
    """
    if not (number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS):
        raise NotFound(
            f"There is no adapter version '{name}@{number[:40]}'. `repertory adapter list` shows those there are.",
            code="adapter_version_not_found",
        )
    return int(number)


def papers_of(registry: Registry) -> Papers:
    """Return what is written about the versions of a registry."""
    return Papers(registry.database, registry, registry.now)


def shown(version: AdapterVersion) -> dict[str, object]:
    """Return a version as the API tells it; paths stay ours."""
    return {
        "name": version.name,
        "version": version.version,
        "engine_name": version.engine_name,
        "state": version.state.value,
        "rank": version.rank,
        "digest": version.digest,
        "created_at": version.created_at,
        "warnings": list(version.warnings),
    }
