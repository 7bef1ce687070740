"""`/v1/vector_stores/{id}/files` and `/file_batches`: what stands in a store, and how far it is."""

from typing import Annotated, Literal

import anyio
from fastapi import APIRouter, Depends, Request, Response

from core.errors import Conflict
from core.paging import Slice
from core.principal import Principal, Scope
from retrieval.vector_store import Batch, StoreFile
from server.access import Caller
from server.requests import read_body
from server.routes.paging import slice_of
from server.routes.vector_stores import check_owned, check_readable, uploads_of
from server.services import TheServices
from server.uploads import Uploads
from server.vector_stores.bodies import AttributesBody, BatchBody, StoreFileBody
from server.vector_stores.shown import batch_shown, file_shown, page_shown
from server.wire import JsonResponse

router = APIRouter()

_FILES = "/v1/vector_stores/{vector_store_id}/files"
_BATCHES = "/v1/vector_stores/{vector_store_id}/file_batches"
_Part = Annotated[Slice, Depends(slice_of())]
_Status = Literal["in_progress", "completed", "failed", "cancelled"] | None


@router.post(_FILES)
async def add_store_file(
    vector_store_id: str, request: Request, services: TheServices, principal: Caller
) -> Response:
    """Add a file of the caller's to a store of the caller's; its status says when it is found."""
    principal.require(Scope.KNOWLEDGE)
    asked = await read_body(request, StoreFileBody)
    added = await anyio.to_thread.run_sync(_added, services.uploads, principal, vector_store_id, asked)
    services.uploads.wake()
    return JsonResponse(file_shown(added))


@router.get(_FILES)
async def list_store_files(
    vector_store_id: str, services: TheServices, principal: Caller, part: _Part, filter: _Status = None
) -> Response:
    """List the files of a store."""
    await check_readable(services.uploads, principal, vector_store_id)
    listed = services.uploads.entries.list
    page = await anyio.to_thread.run_sync(lambda: listed(vector_store_id, part, status=filter))
    return JsonResponse(page_shown(page, file_shown))


@router.get(_FILES + "/{file_id}")
async def get_store_file(vector_store_id: str, file_id: str, services: TheServices, principal: Caller) -> Response:
    """Return a file of a store, with its status."""
    await check_readable(services.uploads, principal, vector_store_id)
    found = await anyio.to_thread.run_sync(services.uploads.entries.get, vector_store_id, file_id)
    return JsonResponse(file_shown(found))


@router.post(_FILES + "/{file_id}")
async def update_store_file(
    vector_store_id: str, file_id: str, request: Request, services: TheServices, principal: Caller
) -> Response:
    """Put other attributes in the place of a file's."""
    principal.require(Scope.KNOWLEDGE)
    asked = await read_body(request, AttributesBody)
    await check_owned(services.uploads, principal, vector_store_id)
    changed = await anyio.to_thread.run_sync(
        services.uploads.entries.set_attributes, vector_store_id, file_id, asked.attributes or {}
    )
    return JsonResponse(file_shown(changed))


@router.get(_FILES + "/{file_id}/content")
async def store_file_content(
    vector_store_id: str, file_id: str, services: TheServices, principal: Caller
) -> Response:
    """Return the text that was read of a file."""
    await check_readable(services.uploads, principal, vector_store_id)
    text = await anyio.to_thread.run_sync(services.uploads.entries.text, vector_store_id, file_id)
    return JsonResponse(
        {
            "object": "vector_store.file_content.page",
            "data": [{"type": "text", "text": text}],
            "has_more": False,
            "next_page": None,
        }
    )


@router.delete(_FILES + "/{file_id}")
async def remove_store_file(
    vector_store_id: str, file_id: str, services: TheServices, principal: Caller
) -> Response:
    """Take a file out of a store, from the next search on; it stays a file."""
    await check_owned(services.uploads, principal, vector_store_id)
    await anyio.to_thread.run_sync(services.uploads.entries.remove, vector_store_id, file_id)
    return JsonResponse({"id": file_id, "object": "vector_store.file.deleted", "deleted": True})


@router.post(_BATCHES)
async def create_file_batch(
    vector_store_id: str, request: Request, services: TheServices, principal: Caller
) -> Response:
    """Add several files of the caller's, all or none."""
    principal.require(Scope.KNOWLEDGE)
    asked = await read_body(request, BatchBody)
    batch = await anyio.to_thread.run_sync(_batched, services.uploads, principal, vector_store_id, asked)
    services.uploads.wake()
    return JsonResponse(batch_shown(batch))


@router.get(_BATCHES + "/{batch_id}")
async def get_file_batch(
    vector_store_id: str, batch_id: str, services: TheServices, principal: Caller
) -> Response:
    """Return a batch, with how many of its files are how far."""
    await check_readable(services.uploads, principal, vector_store_id)
    batch = await anyio.to_thread.run_sync(services.uploads.entries.batch, vector_store_id, batch_id)
    return JsonResponse(batch_shown(batch))


@router.post(_BATCHES + "/{batch_id}/cancel")
async def cancel_file_batch(
    vector_store_id: str, batch_id: str, services: TheServices, principal: Caller
) -> Response:
    """Take in no more files of a batch; those that are completed stay."""
    await check_owned(services.uploads, principal, vector_store_id)
    batch = await anyio.to_thread.run_sync(services.uploads.entries.cancel, vector_store_id, batch_id)
    return JsonResponse(batch_shown(batch))


@router.get(_BATCHES + "/{batch_id}/files")
async def list_batch_files(
    vector_store_id: str,
    batch_id: str,
    services: TheServices,
    principal: Caller,
    part: _Part,
    filter: _Status = None,
) -> Response:
    """List the files of a batch."""
    await check_readable(services.uploads, principal, vector_store_id)
    entries = services.uploads.entries
    await anyio.to_thread.run_sync(entries.batch, vector_store_id, batch_id)
    page = await anyio.to_thread.run_sync(
        lambda: entries.list(vector_store_id, part, status=filter, batch=batch_id)
    )
    return JsonResponse(page_shown(page, file_shown))


def _added(uploads: Uploads, principal: Principal, store_id: str, asked: StoreFileBody) -> StoreFile:
    _refuse_expired(uploads, principal, store_id)
    (upload,) = uploads_of(uploads, principal, [asked])
    added = uploads.entries.add(store_id, upload)
    uploads.stores.touch(store_id)
    return added


def _batched(uploads: Uploads, principal: Principal, store_id: str, asked: BatchBody) -> Batch:
    _refuse_expired(uploads, principal, store_id)
    batch = uploads.entries.add_batch(store_id, uploads_of(uploads, principal, asked.each()))
    uploads.stores.touch(store_id)
    return batch


def _refuse_expired(uploads: Uploads, principal: Principal, store_id: str) -> None:
    if uploads.stores.owned(store_id, principal.id).expired:
        raise Conflict(
            f"The vector store {store_id!r} has expired. Make a new one, or give it days again.",
            code="vector_store_expired",
        )
