"""`GET /api/personas`: what serves, which revision, and what is wrong with the files."""

import httpx
from fastapi import APIRouter, Response

from core.errors import RepertoryError
from core.principal import Scope
from server.access import KeyHolder
from server.personas.loader import Persona
from server.services import Services, TheServices
from server.wire import JsonResponse

router = APIRouter()


@router.get("/api/personas")
async def list_personas(services: TheServices, principal: KeyHolder) -> Response:
    """List the personas that the caller may use; administrators also see problems and notices."""
    problems = services.personas.problems if principal.may(Scope.ADMIN) else ()
    return JsonResponse(
        {
            "object": "list",
            "data": [_shown(persona, services) for persona in services.personas.usable_by(principal)],
            "problems": [
                {"file": one.file, "line": one.line, "field": one.field, "message": one.message}
                for one in problems
            ],
            "notices": [
                {"persona": persona.id, "message": notice}
                for persona in (services.personas.personas if principal.may(Scope.ADMIN) else ())
                for notice in persona.actions.notices
            ],
        }
    )


def _shown(persona: Persona, services: Services) -> dict[str, object]:
    spec = persona.spec
    engine_name, reason = None, None
    state = services.engine.ready()
    if not state.ok:
        reason = state.reason
    if spec.model.adapter:
        try:
            engine_name = services.releases.resolve(spec.model.adapter)
        except RepertoryError as error:
            reason = error.message
    version = engine_name.rpartition("@")[2] if engine_name else ""
    return {
        "id": persona.id,
        "name": spec.name,
        "description": spec.description,
        "revision": persona.revision,
        "file": persona.file,
        "conversation_starters": spec.conversation_starters,
        "adapter": spec.model.adapter,
        "adapter_version": int(version) if version.isdecimal() else None,
        "knowledge": [*spec.knowledge.paths, *spec.knowledge.stores],
        "actions": [
            {
                "name": one.name,
                "description": one.description,
                "consequential": one.consequential,
                "host": services.hosts.state(httpx.URL(one.server)).value,
            }
            for one in persona.actions.operations
        ],
        "slack": None if (slack := spec.integrations.slack) is None else slack.model_dump(),
        "ready": reason is None,
        "reason": reason,
    }
