"""`/v1/files`: uploaded files, each its owner's alone, and the documents that citations point at."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import FileResponse

from core.errors import InternalError, InvalidRequest, NotFound
from core.paging import Slice
from core.principal import Principal, Scope
from retrieval.records import DOCUMENTS
from server.access import Caller
from server.files.file import PURPOSES, TRAINING
from server.files.reception import receive
from server.files.store import NewFile
from server.routes.paging import slice_of
from server.services import Services, TheServices
from server.vector_stores.shown import page_shown
from server.wire import JsonResponse

router = APIRouter()

UPLOAD_PATH = "/v1/files"
_EXPIRY = ("expires_after[anchor]", "expires_after[seconds]")
_LEAST_SECONDS, _MOST_SECONDS = 3_600, 2_592_000


@router.post(UPLOAD_PATH)
async def upload_file(request: Request, services: TheServices, principal: Caller) -> Response:
    """Keep an uploaded file; the same bytes are kept once. What is to be trained on must be sound."""
    principal.require(Scope.KNOWLEDGE)
    files = services.uploads.files
    received = await receive(request, files.blobs, max_bytes=services.settings.max_file_bytes)
    try:
        received.allow("purpose", *_EXPIRY)
        new = _described(principal, received.filename, received.fields)
        if new.purpose == TRAINING:
            await services.uploads.training.check(received.draft.path, new.filename, received.draft.size)
        stored = await anyio.to_thread.run_sync(files.add, received.draft, new)
    finally:
        received.draft.discard()
    return JsonResponse(stored.shown())


@router.get("/v1/files")
async def list_files(
    services: TheServices,
    principal: Caller,
    part: Annotated[Slice, Depends(slice_of(most=10_000, usual=10_000))],
    purpose: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """List the caller's files."""
    principal.require(Scope.KNOWLEDGE)
    page = await anyio.to_thread.run_sync(services.uploads.files.list, principal.id, part, purpose)
    return JsonResponse(page_shown(page, lambda stored: stored.shown()))


@router.get("/v1/files/{file_id}")
async def get_file(file_id: str, services: TheServices, principal: Caller) -> Response:
    """Return one of the caller's files, without its bytes."""
    principal.require(Scope.KNOWLEDGE)
    stored = await anyio.to_thread.run_sync(services.uploads.files.get, file_id, principal.id)
    return JsonResponse(stored.shown())


@router.get("/v1/files/{file_id}/content")
async def file_content(file_id: str, services: TheServices, principal: Caller) -> Response:
    """Return the bytes of a file of the caller's, or the text of a document that a citation points at.

    Raises:
        PermissionDenied: the key has neither the scope `chat` nor `knowledge`.
        NotFound: no such file or document, or none for this caller; the two look alike.
    """
    if not principal.may(Scope.CHAT):  # a chat's citations lead here
        principal.require(Scope.KNOWLEDGE)
    if file_id.startswith(DOCUMENTS):
        text = await anyio.to_thread.run_sync(_document_text, services, principal, file_id)
        return Response(text, media_type="text/plain; charset=utf-8")
    if not principal.may(Scope.KNOWLEDGE):
        raise _missing(file_id)
    files = services.uploads.files
    stored = await anyio.to_thread.run_sync(files.get, file_id, principal.id)
    path = files.blobs.path(stored.sha256)
    if not await anyio.Path(path).is_file():
        raise InternalError(f"The bytes of {file_id!r} are not on the disk any more.", code="file_damaged")
    return FileResponse(path, media_type="application/octet-stream", filename=stored.filename)


@router.delete("/v1/files/{file_id}")
async def delete_file(file_id: str, services: TheServices, principal: Caller) -> Response:
    """Delete a file of the caller's; it leaves every vector store first, so that no answer has it any more."""
    principal.require(Scope.KNOWLEDGE)
    await anyio.to_thread.run_sync(services.uploads.files.get, file_id, principal.id)
    await anyio.to_thread.run_sync(services.uploads.delete_file, file_id)
    return JsonResponse({"id": file_id, "object": "file", "deleted": True})


def _document_text(services: Services, principal: Principal, document_id: str) -> str:
    named = {store for persona in services.personas.usable_by(principal) for store in persona.spec.knowledge.paths}
    try:
        document = services.knowledge.document(document_id, principal.id)
    except NotFound:
        document = None
    if document is None or not (document.uploaded or document.store in named):
        raise _missing(document_id)
    return document.text


def _missing(file_id: str) -> NotFound:
    return NotFound(f"No such file: {file_id!r}.", code="file_not_found", param="file_id")


def _described(principal: Principal, filename: str, fields: dict[str, str]) -> NewFile:
    if "purpose" not in fields:
        raise InvalidRequest(
            "Missing required parameter: 'purpose'.", code="missing_required_parameter", param="purpose"
        )
    if fields["purpose"] not in PURPOSES:
        raise InvalidRequest(
            f"Invalid value for 'purpose'. It is one of {', '.join(PURPOSES)}.",
            code="invalid_value",
            param="purpose",
        )
    return NewFile(principal.id, filename, fields["purpose"], _expiry(fields))


def _expiry(fields: dict[str, str]) -> int | None:
    anchor, seconds = (fields.get(name) for name in _EXPIRY)
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise InvalidRequest(
            "expires_after.anchor can only be 'created_at'.", code="invalid_value", param="expires_after.anchor"
        )
    if not (seconds or "").isdecimal() or not _LEAST_SECONDS <= int(seconds or 0) <= _MOST_SECONDS:
        raise InvalidRequest(
            f"expires_after.seconds is a number from {_LEAST_SECONDS} to {_MOST_SECONDS}.",
            code="invalid_value",
            param="expires_after.seconds",
        )
    return int(seconds or 0)
