"""`/api/adapters`, the papers of versions: model cards, aliases, and archives out and in."""

import tempfile
from pathlib import Path

import anyio
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from core.principal import Scope
from server.access import KeyHolder
from server.files.reception import receive
from server.requests import read_body
from server.routes.adapters import TheRegistry, numbered, papers_of, shown
from server.served_base import base_of, limits_of
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()

IMPORT_PATH = "/api/adapters"
_ARCHIVE = "application/x-tar"


class CardBody(BaseModel):
    """What people say of a version on its model card; what is left out stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    intended_use: str | None = Field(None, max_length=4000)
    limits: str | None = Field(None, max_length=4000)
    contact: str | None = Field(None, max_length=4000)
    review_on: str | None = Field(None, max_length=10, description="An ISO date.")


class AliasBody(BaseModel):
    """A word that stands for a version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alias: str = Field(min_length=1, max_length=64)
    version: int | None = Field(None, ge=1, le=999_999_999, description="Without it the alias goes.")


@router.get("/api/adapters/{name}/versions/{number}/card")
async def show_card(name: str, number: str, registry: TheRegistry, principal: KeyHolder) -> Response:
    """Show the model card of a version."""
    principal.require(Scope.ADAPTERS)
    return JsonResponse(await anyio.to_thread.run_sync(papers_of(registry).card, name, numbered(name, number)))


@router.post("/api/adapters/{name}/versions/{number}/card")
async def tell_card(
    request: Request, name: str, number: str, registry: TheRegistry, principal: KeyHolder
) -> Response:
    """Say something more on the model card of a version."""
    principal.require(Scope.ADAPTERS)
    said = (await read_body(request, CardBody)).model_dump(exclude_none=True)
    papers, by, which = papers_of(registry), str(principal.id), numbered(name, number)
    await anyio.to_thread.run_sync(lambda: papers.tell(name, which, said, by=by))
    return JsonResponse(await anyio.to_thread.run_sync(papers.card, name, which))


@router.post("/api/adapters/{name}/aliases")
async def alias(request: Request, name: str, registry: TheRegistry, principal: KeyHolder) -> Response:
    """Let an alias stand for a version, or take it away; return all of them."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, AliasBody)
    papers, by = papers_of(registry), str(principal.id)
    await anyio.to_thread.run_sync(lambda: papers.alias(name, body.alias, body.version, by=by))
    return JsonResponse({"name": name, "aliases": await anyio.to_thread.run_sync(papers.aliases, name)})


@router.get("/api/adapters/{name}/versions/{number}/archive")
async def export(name: str, number: str, registry: TheRegistry, principal: KeyHolder) -> Response:
    """Return a version and its model card as one archive; its files are verified first."""
    principal.require(Scope.ADAPTERS)
    reference = f"{name}@{numbered(name, number)}"
    scratch = await anyio.to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="repertory-export-"))
    path = Path(scratch.name) / f"{name}-{number}.tar"
    try:
        await anyio.to_thread.run_sync(papers_of(registry).export, reference, path)
    except BaseException:
        scratch.cleanup()
        raise
    return FileResponse(path, media_type=_ARCHIVE, filename=path.name, background=BackgroundTask(scratch.cleanup))


@router.post(IMPORT_PATH)
async def import_(
    request: Request, services: TheServices, registry: TheRegistry, principal: KeyHolder
) -> Response:
    """Take an archive in as the next version of the name that it has, or of another one."""
    principal.require(Scope.ADAPTERS)
    settings = services.settings
    received = await receive(request, services.uploads.files.blobs, max_bytes=settings.max_file_bytes)
    try:
        received.allow("name")
        name = received.fields.get("name")
        version = await anyio.to_thread.run_sync(
            lambda: papers_of(registry).import_archive(
                received.draft.path, name, base=base_of(settings), limits=limits_of(settings), by=str(principal.id)
            )
        )
    finally:
        received.draft.discard()
    return JsonResponse(shown(version))
