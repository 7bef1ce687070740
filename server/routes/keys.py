"""`/api/keys`: making, listing, limiting and revoking keys, for administrators."""

from dataclasses import asdict
from typing import Annotated

import anyio
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from core.ids import PersonaId
from core.principal import Limits, Scope
from server.access import KeyHolder
from server.keys.key import Key
from server.requests import read_body
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()
Number = Annotated[int, Field(ge=1)]


class LimitsBody(BaseModel):
    """Limits to set; null takes one away, what is left out stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: Number | None = None
    tokens_per_minute: Number | None = None
    requests_per_day: Number | None = None
    tokens_per_day: Number | None = None


class KeyBody(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    scopes: frozenset[Scope] = frozenset({Scope.CHAT})
    personas: Annotated[list[PersonaId], Field(min_length=1, max_length=256)] | None = None
    limits: LimitsBody = LimitsBody()


@router.get("/api/keys")
async def list_keys(services: TheServices, principal: KeyHolder) -> Response:
    """List all keys without their secrets, revoked ones included."""
    principal.require(Scope.ADMIN)
    found = await anyio.to_thread.run_sync(services.keys.list)
    return JsonResponse({"object": "list", "data": [shown(key) for key in found]})


@router.post("/api/keys")
async def create_key(request: Request, services: TheServices, principal: KeyHolder) -> Response:
    """Make a key; this answer alone has its secret."""
    principal.require(Scope.ADMIN)
    asked = await read_body(request, KeyBody)

    def create() -> tuple[Key, str]:
        limits = Limits(**asked.limits.model_dump())
        return services.keys.create(asked.name, asked.scopes, asked.personas, limits)

    key, secret = await anyio.to_thread.run_sync(create)
    return JsonResponse({**shown(key), "secret": secret}, headers={"cache-control": "no-store"})


@router.patch("/api/keys/{name}")
async def limit_key(request: Request, name: str, services: TheServices, principal: KeyHolder) -> Response:
    """Change the limits of a key, from the next request on."""
    principal.require(Scope.ADMIN)
    changes = (await read_body(request, LimitsBody)).model_dump(exclude_unset=True)
    return JsonResponse(shown(await anyio.to_thread.run_sync(services.keys.limit, name, changes)))


@router.delete("/api/keys/{name}")
async def revoke_key(name: str, services: TheServices, principal: KeyHolder) -> Response:
    """Make a key useless from the next request on, and forget the accounts that its holder has connected.

    Its name stays taken, since records have it.
    """
    principal.require(Scope.ADMIN)
    key = await anyio.to_thread.run_sync(services.keys.revoke, name)
    with anyio.CancelScope(shield=True):  # what is forgotten is given back even if the client leaves
        left = await services.connections.end(key.principal.id)
    return JsonResponse({**shown(key), "tokens_left": left})


def shown(key: Key) -> dict[str, object]:
    """Return a key as the API tells it."""
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "personas": None if key.personas is None else sorted(key.personas),
        "limits": asdict(key.limits),
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
