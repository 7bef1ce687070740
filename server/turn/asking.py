"""From a checked request to a turn that can run: who asks, as whom, with which weights, and who takes note.

The one beginning of every turn, whatever door it comes through.
"""

import contextlib
from dataclasses import dataclass

import anyio

from core.errors import ModelNotFound, NotFound, Unavailable
from core.ids import PersonaId, new_id
from core.principal import Principal, Scope
from server.engine_port import Who
from server.personas.loader import Persona
from server.served_base import is_served
from server.services import Services
from server.transcripts.transcript import Keep
from server.turn.content import TurnContent
from server.turn.context import TurnContext, check_reserved, conversation_of
from server.turn.record import TurnObserver, TurnRecord
from server.turn.request import ChatRequest
from server.turn.seen import Seen
from server.turn.steps import Steps
from server.turn.turn import ChatTurn
from server.turn.usage import UsageSum
from server.turn.version import split_model, version_for
from server.usage.admission import Admission
from server.usage.estimate import longest_answer, prompt_tokens


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn that was let in and not begun.

    Attributes:
        admission: what the caller may still use.
        observers: see the turn end.
    """

    turn: ChatTurn
    context: TurnContext
    admission: Admission
    observers: tuple[TurnObserver, ...]

    @property
    def record(self) -> TurnRecord:
        """What the turn did."""
        return self.context.record


async def ask(
    services: Services, principal: Principal, asked: ChatRequest, *, base_url: str, pin: str | None = None
) -> Asked:
    """Let a request in.

    Args:
        services: the server's.
        principal: who asks.
        asked: what is asked.
        base_url: how the caller reaches the server, for citations.
        pin: the adapter version that an evaluator wants.

    Raises:
        RepertoryError: the persona cannot be asked by this caller, or not now.
    """
    context = await _context(services, principal, asked, base_url, pin)
    admission = services.meter.admit(
        principal,
        context.persona.id,
        prompt=prompt_tokens(asked, context.persona),
        steps=context.max_steps if context.persona.actions.operations else 1,
        answer=longest_answer(asked, context.persona.spec.model),
    )
    if services.traces is not None:
        services.traces.begin(context.record)
    # Nothing that others do may keep the turn from being counted.
    return Asked(ChatTurn(services, context), context, admission, (admission, *services.observers))


async def persona_of(services: Services, principal: Principal, model: str) -> tuple[Persona, str | None]:
    """Return who answers under a model's name, and the version that the name pins, if it is a fine-tuned model's.

    The name before the number is a persona's or an adapter's; of an adapter that no persona has, the base answers.

    Raises:
        ModelNotFound: nobody does, or not for this caller, who needs the scope `adapters` for a version.
    """
    name, number = split_model(model)
    if number is None:
        return services.personas.get(model, principal), None
    if not principal.may(Scope.ADAPTERS):
        raise ModelNotFound(model)
    try:
        return services.personas.get(name, principal), number
    except ModelNotFound:
        persona = services.personas.of_adapter(name, principal)
    if persona is None and principal.personas is None:
        with contextlib.suppress(NotFound):
            await anyio.to_thread.run_sync(services.tuning.registry.get, name, int(number))
            persona = services.personas.bare(name)
    if persona is None:
        raise ModelNotFound(model)
    return persona, number


async def _context(
    services: Services, principal: Principal, asked: ChatRequest, base_url: str, pin: str | None
) -> TurnContext:
    persona, named = await persona_of(services, principal, asked.model)
    if asked.repertory.vector_stores:
        principal.require(Scope.KNOWLEDGE)
        for store in asked.repertory.vector_stores:
            await anyio.to_thread.run_sync(services.uploads.stores.get, store, principal.id)
    names = {operation.name for operation in persona.actions.operations}
    check_reserved(asked, names.__contains__, has_actions=bool(names))
    base = persona.spec.model.base
    if base is not None and not is_served(base, services.engine.base_model, services.settings):
        raise Unavailable(
            f"{persona.id!r} is made for the base model {base!r}, and another one runs. "
            "Set REPERTORY_BASE_MODEL, or change model.base in the persona.",
            code="base_model_differs",
        )
    conversation, user = conversation_of(asked, persona, principal), asked.safety_identifier or asked.user
    who = Who(f"{principal.id}|{user}" if user else None, conversation)
    answering = await version_for(persona, principal, services.releases, named if pin is None else pin, who)
    version = answering.engine_name if answering else None
    limits, settings = persona.spec.model.limits, services.settings
    keep, steps = services.transcripts.keeps(persona.spec.transcripts), Steps()
    record = TurnRecord(
        completion=new_id("chatcmpl"),
        principal=principal.id,
        persona=PersonaId(persona.id),
        revision=persona.revision,
        adapter=version,
        conversation=conversation,
        streamed=bool(asked.stream),
        begun_at=services.clock(),
        usage=UsageSum(),
        user=user,
        private=keep is Keep.OFF,
        answering=answering,
        seen=Seen() if answering is not None and answering.rollout is not None else None,
        content=TurnContent.of(asked, steps) if keep is Keep.CONTENT else None,
    )
    return TurnContext(
        request=asked,
        persona=persona,
        principal=principal,
        engine_model=version or services.engine.base_model,
        adapter=version,
        conversation=record.conversation,
        base_url=base_url,
        completion_id=record.completion,
        created=int(record.begun_at),
        max_steps=min(limits.max_steps or settings.max_steps, settings.max_steps),
        until=record.started + min(limits.action_seconds or settings.action_seconds, settings.action_seconds),
        record=record,
        steps=steps,
    )
