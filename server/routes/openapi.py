"""`GET /openapi.json`: the document of this very server, behind the same guards as `/v1`."""

from importlib.metadata import version

import anyio
from fastapi import APIRouter, FastAPI, Request, Response

from server.access import Caller
from server.openapi import document_of
from server.wire import JsonResponse

router = APIRouter()


@router.get("/openapi.json")
async def openapi(request: Request, _principal: Caller) -> Response:
    """Return this document."""
    app: FastAPI = request.app
    if app.openapi_schema is None:
        app.openapi_schema = await anyio.to_thread.run_sync(document_of, app.routes, version("repertory"))
    return JsonResponse(app.openapi_schema)
