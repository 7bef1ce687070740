"""`/v1/vector_stores`: stores of uploaded files, and searching them."""

from dataclasses import replace
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Request, Response

from core.paging import Slice
from core.principal import Principal, Scope
from retrieval import Passage
from retrieval.vector_store import Upload, VectorStore
from server.access import Caller
from server.requests import read_body
from server.routes.paging import slice_of
from server.services import Services, TheServices
from server.uploads import Uploads
from server.usage.answers import limit_headers
from server.usage.estimate import text_tokens
from server.vector_stores.bodies import (
    StoreBody,
    StoreChanges,
    StoreFileBody,
    StoreSearchBody,
    filter_of,
    sizes_of,
)
from server.vector_stores.shown import page_shown, results_shown, store_shown
from server.wire import JsonResponse

router = APIRouter()


@router.post("/v1/vector_stores")
async def create_vector_store(request: Request, services: TheServices, principal: Caller) -> Response:
    """Make a store of the caller's, with files where some are named."""
    principal.require(Scope.KNOWLEDGE)
    asked = await read_body(request, StoreBody)
    store = await anyio.to_thread.run_sync(_made, services.uploads, principal, asked)
    services.uploads.wake()
    return JsonResponse(store_shown(store))


@router.get("/v1/vector_stores")
async def list_vector_stores(
    services: TheServices, principal: Caller, part: Annotated[Slice, Depends(slice_of())]
) -> Response:
    """List the stores that the caller may read."""
    principal.require(Scope.KNOWLEDGE)
    page = await anyio.to_thread.run_sync(services.uploads.stores.list, principal.id, part)
    return JsonResponse(page_shown(page, store_shown))


@router.get("/v1/vector_stores/{vector_store_id}")
async def get_vector_store(vector_store_id: str, services: TheServices, principal: Caller) -> Response:
    """Return a store that the caller may read."""
    principal.require(Scope.KNOWLEDGE)
    store = await anyio.to_thread.run_sync(services.uploads.stores.get, vector_store_id, principal.id)
    return JsonResponse(store_shown(store))


@router.post("/v1/vector_stores/{vector_store_id}")
async def modify_vector_store(
    vector_store_id: str, request: Request, services: TheServices, principal: Caller
) -> Response:
    """Change name, expiry or metadata of a store of the caller's."""
    principal.require(Scope.KNOWLEDGE)
    asked = await read_body(request, StoreChanges)
    store = await anyio.to_thread.run_sync(_modified, services.uploads, principal, vector_store_id, asked)
    return JsonResponse(store_shown(store))


@router.delete("/v1/vector_stores/{vector_store_id}")
async def delete_vector_store(vector_store_id: str, services: TheServices, principal: Caller) -> Response:
    """Delete a store of the caller's; its files stay files."""
    await check_owned(services.uploads, principal, vector_store_id)
    await anyio.to_thread.run_sync(services.uploads.stores.delete, vector_store_id)
    return JsonResponse({"id": vector_store_id, "object": "vector_store.deleted", "deleted": True})


@router.post("/v1/vector_stores/{vector_store_id}/search")
async def search_vector_store(
    vector_store_id: str, request: Request, services: TheServices, principal: Caller
) -> Response:
    """Return the passages that one or several questions find, best first.

    `rewrite_query` is taken; a question is searched for as it stands.
    """
    principal.require(Scope.KNOWLEDGE)
    asked = await read_body(request, StoreSearchBody)
    await anyio.to_thread.run_sync(services.uploads.stores.get, vector_store_id, principal.id)
    name, prompt = services.settings.embedding_name, text_tokens(asked.queries)
    admission = services.meter.admit(principal, name, prompt=prompt)
    with admission.embedding():
        answer = await anyio.to_thread.run_sync(_searched, services, principal, vector_store_id, asked)
    return JsonResponse(answer, headers=limit_headers(admission.standings()))


async def check_readable(uploads: Uploads, principal: Principal, store_id: str) -> None:
    """Check that the caller may read a store.

    Raises:
        PermissionDenied: the key has not the scope `knowledge`.
        NotFound: there is no such store, or not for this caller.
    """
    principal.require(Scope.KNOWLEDGE)
    await anyio.to_thread.run_sync(uploads.stores.get, store_id, principal.id)


async def check_owned(uploads: Uploads, principal: Principal, store_id: str) -> None:
    """Check that the caller may change a store.

    Raises:
        PermissionDenied: the key has not the scope `knowledge`, or the store is only shared with the caller.
        NotFound: there is no such store, or not for this caller.
    """
    principal.require(Scope.KNOWLEDGE)
    await anyio.to_thread.run_sync(uploads.stores.owned, store_id, principal.id)


def uploads_of(uploads: Uploads, principal: Principal, asked: list[StoreFileBody]) -> list[Upload]:
    """Return files of the caller's with what is said of each, all or none. Blocking.

    Raises:
        NotFound: one of them is not there, or is another's.
    """
    found = []
    for one in asked:
        file = uploads.files.get(one.file_id, principal.id)
        sizes = sizes_of(one.chunking_strategy)
        found.append(Upload(file.id, file.filename, file.bytes, file.sha256, one.attributes or {}, sizes))
    return found


def _made(uploads: Uploads, principal: Principal, asked: StoreBody) -> VectorStore:
    named = [
        StoreFileBody(file_id=one, chunking_strategy=asked.chunking_strategy)
        for one in dict.fromkeys(asked.file_ids or ())
    ]
    files = uploads_of(uploads, principal, named)
    return uploads.stores.create(
        principal.id,
        title=asked.name or "",
        description=asked.description,
        labels=asked.metadata,
        expires_days=asked.expires_after.days if asked.expires_after else None,
        within=lambda connection, store_id: uploads.entries.put(connection, store_id, files),
    )


def _modified(uploads: Uploads, principal: Principal, store_id: str, asked: StoreChanges) -> VectorStore:
    uploads.stores.owned(store_id, principal.id)
    changes: dict[str, object] = {}
    if "name" in asked.model_fields_set:
        changes["title"] = asked.name or ""
    if "metadata" in asked.model_fields_set:
        changes["labels"] = dict(asked.metadata or {})
    if "expires_after" in asked.model_fields_set:
        changes["expires_days"] = asked.expires_after.days if asked.expires_after else None
    if changes:
        uploads.stores.modify(store_id, **changes)
    return uploads.stores.get(store_id, principal.id)


def _searched(
    services: Services, principal: Principal, store_id: str, asked: StoreSearchBody
) -> dict[str, object]:
    best: dict[str, Passage] = {}
    wanted = filter_of(asked.filters) if asked.filters else None
    for query in asked.queries:
        result = services.knowledge.search(
            [store_id],
            query,
            reader=principal.id,
            wanted=wanted,
            top_k=asked.max_num_results,
            floor=-1.0,
            dense_weight=asked.dense_weight,
            per_document=asked.max_num_results,
        )
        # Within one search the best passage has 1, however far off it is: the nearest one's cosine tells how far.
        nearness = max(0.0, result.best_cosine)
        for passage in result.passages:
            score = nearness * passage.score
            if passage.id not in best or score > best[passage.id].score:
                best[passage.id] = replace(passage, score=score)
    ranked = sorted(best.values(), key=lambda passage: -passage.score)
    least = asked.ranking_options.score_threshold
    shown = [passage for passage in ranked if passage.score >= least][: asked.max_num_results]
    files = services.uploads.entries.of_documents(store_id, {passage.document_id for passage in shown})
    services.uploads.stores.touch(store_id)
    return results_shown(asked.queries, shown, files)
