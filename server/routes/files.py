"""`GET /v1/files/{id}/content`: the documents that citations point at."""

import anyio
from fastapi import APIRouter, Response

from core.errors import NotFound
from core.principal import Scope
from server.access import Caller
from server.services import TheServices

router = APIRouter()


@router.get("/v1/files/{file_id}/content")
async def file_content(file_id: str, services: TheServices, principal: Caller) -> Response:
    """Return a document's text to callers who may use a persona that knows it.

    Raises:
        PermissionDenied: the key has neither the scope `chat` nor `knowledge`.
        NotFound: no such document, or none for this caller; the two look alike.
    """
    readable = {
        store for persona in services.personas.usable_by(principal) for store in persona.spec.knowledge.paths
    }
    if not principal.may(Scope.CHAT):  # a chat's citations lead here
        principal.require(Scope.KNOWLEDGE)
    missing = NotFound(f"No such file: {file_id!r}.", code="file_not_found", param="file_id")
    try:
        document = await anyio.to_thread.run_sync(services.knowledge.document, file_id)
    except NotFound:
        raise missing from None
    if document.store not in readable:
        raise missing
    return Response(document.text, media_type="text/plain; charset=utf-8")
