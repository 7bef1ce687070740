"""`/api/knowledge`: what is stored, and searching it as a persona would."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from core.errors import InvalidRequest, NotFound
from core.paging import Slice
from core.principal import Principal, Scope
from retrieval import StoreStatus
from retrieval.vector_store import FileStatus, VectorStore
from server.access import KeyHolder
from server.requests import read_body
from server.services import Services, TheServices
from server.usage.answers import limit_headers
from server.usage.estimate import text_tokens
from server.wire import JsonResponse

router = APIRouter()
_MOST_UPLOADS = 1_000


class SearchBody(BaseModel):
    """A search in a persona's stores, or in stores by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: Annotated[str, Field(min_length=1, max_length=4000)]
    persona: str | None = None
    stores: list[str] | None = Field(None, min_length=1, max_length=64)
    top_k: int = Field(4, ge=1, le=50)
    floor: float | None = Field(None, ge=-1, le=1)
    dense_weight: float | None = Field(None, ge=0, le=1)


@router.get("/api/knowledge/stores")
async def list_stores(services: TheServices, principal: KeyHolder) -> Response:
    """List the stores that the caller's personas know, and the vector stores that the caller may read."""
    principal.require(Scope.KNOWLEDGE)
    readable = _readable(services, principal)
    stored = {one.name: one for one in await anyio.to_thread.run_sync(services.knowledge.stores)}
    data = [_folder_shown(services, name, stored.get(name)) for name in sorted(readable)]
    part = Slice(_MOST_UPLOADS)
    uploads = await anyio.to_thread.run_sync(services.uploads.stores.list, principal.id, part)
    data += [_uploads_shown(store, stored.get(store.id)) for store in uploads.items]
    return JsonResponse({"object": "list", "data": data})


@router.post("/api/knowledge/search")
async def search(request: Request, services: TheServices, principal: KeyHolder) -> Response:
    """Return the passages that a question finds, best first."""
    principal.require(Scope.KNOWLEDGE)
    asked = await read_body(request, SearchBody)
    if (asked.persona is None) == (asked.stores is None):
        raise InvalidRequest("Say where to search: either persona or stores.", param="persona")
    floor, weight, stores = 0.35, 0.5, asked.stores or []
    if asked.persona is not None:
        spec = services.personas.get(asked.persona, principal).spec
        floor, weight, stores = spec.retrieval.floor, spec.retrieval.dense_weight, spec.knowledge.paths
        stores = [*stores, *await anyio.to_thread.run_sync(_open_to, services, spec.knowledge.stores, principal)]
    elif (
        unknown := set(stores)
        - _readable(services, principal)
        - set(await anyio.to_thread.run_sync(_open_to, services, stores, principal))
    ):
        raise NotFound(
            f"No store {sorted(unknown)[0]!r}. GET /api/knowledge/stores lists them.", code="store_not_found"
        )
    admission = services.meter.admit(
        principal, services.settings.embedding_name, prompt=text_tokens([asked.query])
    )
    with admission.embedding():
        result = await anyio.to_thread.run_sync(
            lambda: services.knowledge.search(
                stores,
                asked.query,
                reader=principal.id,
                top_k=asked.top_k,
                floor=floor if asked.floor is None else asked.floor,
                dense_weight=weight if asked.dense_weight is None else asked.dense_weight,
            )
        )
    hits = [
        {
            "store": one.store,
            "document": one.document_id,
            "path": one.path,
            "title": one.title,
            "heading": one.heading,
            "text": one.text,
            "start": one.start,
            "end": one.end,
            "page": one.page,
            "score": float(one.score),
            "cosine": float(one.cosine),
        }
        for one in result.passages
    ]
    answer = {"object": "list", "data": hits, "best_cosine": float(result.best_cosine)}
    return JsonResponse(answer, headers=limit_headers(admission.standings()))


def _open_to(services: Services, stores: list[str], principal: Principal) -> list[str]:
    return services.knowledge.readable(stores, principal.id)


def _folder_shown(services: Services, name: str, found: StoreStatus | None) -> dict[str, object]:
    reason = services.sync.failed.get(name)
    state = "reading" if name in services.sync.waiting else "ready"
    return {
        "store": name,
        "name": name,
        "documents": found.documents if found else 0,
        "passages": found.passages if found else 0,
        "synced_at": found.synced_at if found else None,
        "state": "failed" if reason is not None else state,
        "reason": reason,
        **_index_shown(found),
        "failures": [{"path": one.path, "reason": one.reason} for one in found.failures] if found else [],
        "warnings": [{"path": one.path, "reason": one.reason} for one in found.warnings] if found else [],
    }


def _uploads_shown(store: VectorStore, found: StoreStatus | None) -> dict[str, object]:
    return {
        "store": store.id,
        "name": store.title,
        "documents": found.documents if found else 0,
        "passages": found.passages if found else 0,
        "synced_at": None,
        "state": "reading" if store.counts[FileStatus.IN_PROGRESS] else "ready",
        "reason": "It has expired." if store.expired else None,
        **_index_shown(found),
        "failures": [],
        "warnings": [{"path": one.path, "reason": one.reason} for one in found.warnings] if found else [],
    }


def _index_shown(found: StoreStatus | None) -> dict[str, object]:
    return {
        "index": found.index_kind if found else None,
        "index_recall": found.index_recall if found else None,
    }


def _readable(services: Services, principal: Principal) -> set[str]:
    return {store for persona in services.personas.usable_by(principal) for store in persona.spec.knowledge.paths}
