"""`/api/vector_stores/{id}/shares`: whom the owner of a vector store lets read it."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from core.principal import Scope
from server.access import KeyHolder
from server.requests import read_body
from server.routes.vector_stores import check_owned
from server.services import Services, TheServices
from server.wire import JsonResponse

router = APIRouter()
_PATH = "/api/vector_stores/{vector_store_id}/shares"

Reader = Annotated[str, StringConstraints(pattern=r"^(everyone|anonymous|key:.{1,100})$")]


class ShareBody(BaseModel):
    """Who may read: `key:NAME`, `anonymous` (programs without a key) or `everyone`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reader: Reader


@router.get(_PATH)
async def list_shares(vector_store_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """List whom a store of the caller's is shared with."""
    await check_owned(services.uploads, principal, vector_store_id)
    return await _shown(services, vector_store_id)


@router.post(_PATH)
async def share_store(
    vector_store_id: str, request: Request, services: TheServices, principal: KeyHolder
) -> Response:
    """Let another read a store of the caller's."""
    principal.require(Scope.KNOWLEDGE)
    asked = await read_body(request, ShareBody)
    await check_owned(services.uploads, principal, vector_store_id)
    await anyio.to_thread.run_sync(services.uploads.stores.share, vector_store_id, asked.reader)
    return await _shown(services, vector_store_id)


@router.delete(_PATH + "/{reader}")
async def unshare_store(
    vector_store_id: str, reader: str, services: TheServices, principal: KeyHolder
) -> Response:
    """Let another read a store of the caller's no more, from the next search on."""
    await check_owned(services.uploads, principal, vector_store_id)
    await anyio.to_thread.run_sync(services.uploads.stores.unshare, vector_store_id, reader)
    return await _shown(services, vector_store_id)


async def _shown(services: Services, store_id: str) -> Response:
    readers = await anyio.to_thread.run_sync(services.uploads.stores.readers, store_id)
    return JsonResponse({"object": "list", "data": [{"reader": one} for one in readers]})
