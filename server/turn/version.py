"""Which adapter version answers a request: that of the rollout, or one, or none, that an evaluator pins."""

from core.errors import InvalidRequest, NotFound
from core.principal import Principal, Scope
from server.engine_port import Answering, Releases, Who
from server.personas.loader import Persona

PIN_HEADER = "X-Repertory-Adapter-Version"
BASE_PIN = "base"
"""In place of a number: the persona without its adapter, its prompt alone."""
_MOST_DIGITS = 9


def split_model(model: str) -> tuple[str, str | None]:
    """Part the name of a fine-tuned model, `support-agent@3`, into the persona's and the version's number."""
    name, mark, number = model.rpartition("@")
    return (name, number) if mark and _is_number(number) else (model, None)


async def version_for(
    persona: Persona, principal: Principal, releases: Releases, pin: str | None, who: Who
) -> Answering | None:
    """Return the version that answers, or None for the base model.

    A persona without an adapter may be pinned to a version of the one that is named after it: its trainings make
    that one, until somebody sets `model.adapter`.

    Args:
        persona: who answers.
        principal: who asks; a pin needs the scope `adapters`.
        releases: knows the versions.
        pin: value of the header, where the request has it.
        who: is answered, for rollouts.

    Raises:
        PermissionDenied: the caller may not pin.
        InvalidRequest: there is nothing to pin, or the value is no version number.
        NotFound: there is no such version, or its files do not fit their manifest.
        Unavailable: no version can be served; the message says why.
    """
    adapter = persona.spec.model.adapter
    if pin is None:
        return releases.answering(adapter, who) if adapter else None
    principal.require(Scope.ADAPTERS)
    if pin == BASE_PIN:
        return None
    if not _is_number(pin):
        raise InvalidRequest(
            f"{PIN_HEADER} takes the number of a version, such as 3, or {BASE_PIN!r}; {pin[:40]!r} is neither.",
            code="invalid_value",
            param=PIN_HEADER,
        )
    try:
        return Answering(await releases.pinned(adapter or persona.id, int(pin)))
    except NotFound as error:
        if adapter is not None:
            raise
        raise InvalidRequest(
            f"{persona.id!r} has no adapter, and there is no version {int(pin)} of one that is named after it. "
            f"Leave {PIN_HEADER} out.",
            code="no_adapter",
            param=PIN_HEADER,
        ) from error


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
