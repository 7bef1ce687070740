"""`/livez` and `/readyz`."""

from fastapi import APIRouter, Response

from core.errors import Unavailable
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()


@router.get("/livez")
async def live() -> Response:
    """Say that the process runs."""
    return JsonResponse({"status": "alive"})


@router.get("/readyz")
async def ready(services: TheServices) -> Response:
    """Say whether personas answer now.

    Raises:
        Unavailable: they do not; the message says why.
    """
    state = services.engine.ready()
    if not state.ok:
        raise Unavailable(state.reason, code="engine_unavailable", retry_after=state.retry_after)
    if waiting := services.sync.waiting:
        raise Unavailable(
            f"Knowledge is still being read: {', '.join(waiting)}.",
            code="knowledge_unavailable",
            retry_after=2,
        )
    return JsonResponse({"status": "ready", "personas": len(services.personas.personas)})
