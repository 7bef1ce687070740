"""`GET /v1/models`: personas as models."""

from fastapi import APIRouter, Response

from server.access import Caller
from server.personas.loader import Persona
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()


@router.get("/v1/models")
async def list_models(services: TheServices, principal: Caller) -> Response:
    """List the personas that the caller may use."""
    usable = services.personas.usable_by(principal)
    return JsonResponse({"object": "list", "data": [_model(persona, services) for persona in usable]})


@router.get("/v1/models/{model}")
async def retrieve_model(model: str, services: TheServices, principal: Caller) -> Response:
    """Show one persona."""
    return JsonResponse(_model(services.personas.get(model, principal), services))


def _model(persona: Persona, services: TheServices) -> dict[str, str | int]:
    return {
        "id": persona.id,
        "object": "model",
        "created": services.personas.loaded_at,
        "owned_by": "repertory",
    }
