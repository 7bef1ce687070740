"""`GET /v1/models`: personas as models."""

from fastapi import APIRouter, Response

from server.access import Caller
from server.personas.loader import Persona
from server.services import TheServices
from server.turn.asking import persona_of
from server.wire import JsonResponse

router = APIRouter()


@router.get("/v1/models")
async def list_models(services: TheServices, principal: Caller) -> Response:
    """List the personas that the caller may use."""
    usable = services.personas.usable_by(principal)
    return JsonResponse({"object": "list", "data": [_model(persona, services) for persona in usable]})


@router.get("/v1/models/{model}")
async def retrieve_model(model: str, services: TheServices, principal: Caller) -> Response:
    """Show one persona, or one version of its adapter, such as a fine-tuning job names it."""
    persona, number = await persona_of(services, principal, model)
    shown = _model(persona, services)
    return JsonResponse(shown if number is None else {**shown, "id": model})


def _model(persona: Persona, services: TheServices) -> dict[str, str | int]:
    return {
        "id": persona.id,
        "object": "model",
        "created": services.personas.loaded_at,
        "owned_by": "repertory",
    }
