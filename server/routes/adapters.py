"""`/api/adapters`: versions, which one answers, and changing that under traffic."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adapters.registry import Registry
from adapters.version import AdapterVersion
from core.errors import NotFound
from core.principal import Scope
from server.access import KeyHolder
from server.releases import AdapterReleases
from server.requests import read_body
from server.wire import JsonResponse

router = APIRouter()


class UseBody(BaseModel):
    """Which version is to answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, le=999_999_999)
    override: bool = False
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
    return JsonResponse(
        {
            "name": name,
            "versions": [shown(version) for version in versions],
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
        principal.require(Scope.ADMIN)
    version = await releases.use(
        name, body.version, by=str(principal.id), reason=body.reason, override=body.override
    )
    return JsonResponse(shown(version))


@router.post("/api/adapters/{name}/rollback")
async def rollback(request: Request, name: str, releases: TheReleases, principal: KeyHolder) -> Response:
    """Return to the version that answered before."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, RollbackBody)
    return JsonResponse(shown(await releases.rollback(name, by=str(principal.id), reason=body.reason)))


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
