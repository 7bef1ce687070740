"""As whom an evaluation asks: kept with it, since it may go on after a restart."""

from adapters.evaluation import Evaluation
from core.ids import PersonaId, PrincipalId
from core.principal import Principal, Scope


def principal_of(evaluation: Evaluation) -> Principal:
    """Return as whom an evaluation asks: who began it, without the limits of a user."""
    kept = evaluation.principal
    personas, scopes = kept.get("personas"), kept.get("scopes")
    return Principal(
        PrincipalId(str(kept["id"])),
        frozenset(Scope(one) for one in scopes) if isinstance(scopes, list) else frozenset(),
        frozenset(PersonaId(one) for one in personas) if isinstance(personas, list) else None,
    )


def kept_principal(principal: Principal) -> dict[str, object]:
    """Return what `principal_of` reads."""
    personas = None if principal.personas is None else sorted(principal.personas)
    return {"id": principal.id, "scopes": sorted(one.value for one in principal.scopes), "personas": personas}
