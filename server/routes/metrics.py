"""`GET /metrics`, in Prometheus' text format.

Open to local programs where `/v1` is; else it wants a key with the scope `admin`, or the operator's word
that it may be read by whoever reaches the server (`REPERTORY_METRICS_OPEN`).
"""

from fastapi import APIRouter, Request, Response

from core.principal import Scope
from server.access import key_holder
from server.observe.metrics import CONTENT_TYPE
from server.services import TheServices

router = APIRouter()


@router.get("/metrics")
async def show_metrics(request: Request, services: TheServices) -> Response:
    """Return all metrics."""
    if not (services.settings.metrics_open or services.gate.open_to_programs):
        (await key_holder(request, services)).require(Scope.ADMIN)
    return Response(await services.metrics.text(), media_type=CONTENT_TYPE)
