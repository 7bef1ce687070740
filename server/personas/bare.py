"""Who answers with an adapter that no persona has: nobody in particular, with the caller's own system message."""

from server.personas.loader import LoadActions, Persona
from server.personas.schema import ModelPart, PersonaSpec

_REVISION = "none"


def bare_persona(adapter: str, load_actions: LoadActions) -> Persona:
    """Return a persona without instructions, knowledge and actions that answers with `adapter`."""
    whole = PersonaSpec(id=adapter, name=adapter, instructions=adapter, model=ModelPart(adapter=adapter))
    spec = whole.model_copy(update={"instructions": ""})
    return Persona(spec, _REVISION, "", load_actions(spec))
