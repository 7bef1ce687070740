"""`GET /metrics`, in Prometheus' text format, and the engines' own behind it.

Open to local programs where `/v1` is; else it wants a key with the scope `admin`, or the operator's word
that it may be read by whoever reaches the server (`REPERTORY_METRICS_OPEN`).
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from core.principal import Scope
from server.access import key_holder
from server.observe.metrics import CONTENT_TYPE
from server.services import TheServices

router = APIRouter()


@router.get("/metrics")
async def show_metrics(request: Request, services: TheServices) -> Response:
    """Return all metrics."""
    await _admit(request, services)
    return Response(await services.metrics.text(), media_type=CONTENT_TYPE)


@router.get("/metrics/engine/{number}")
async def show_engine_metrics(
    request: Request, services: TheServices, number: Annotated[int, Path(ge=0)]
) -> Response:
    """Return what vLLM tells of itself; nobody else reaches the socket of a managed engine."""
    await _admit(request, services)
    return Response(await services.metrics.engine_text(number), media_type=CONTENT_TYPE)


async def _admit(request: Request, services: TheServices) -> None:
    if not (services.settings.metrics_open or services.gate.open_to_programs):
        (await key_holder(request, services)).require(Scope.ADMIN)
