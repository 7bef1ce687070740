"""`POST /v1/chat/completions`."""

from fastapi import APIRouter, Request, Response

from core.errors import Unavailable
from core.ids import PersonaId, new_id
from core.principal import Principal, Scope
from server.access import Caller
from server.addresses import base_url_of
from server.requests import read_body, unless_gone
from server.served_base import is_served
from server.services import Services, TheServices
from server.sse import EventStream
from server.transcripts.transcript import Keep
from server.turn.content import TurnContent
from server.turn.context import TurnContext, check_reserved, conversation_of
from server.turn.record import TurnRecord, observed, observed_stream
from server.turn.request import ChatRequest
from server.turn.steps import Steps
from server.turn.turn import ChatTurn
from server.turn.usage import UsageSum
from server.turn.version import PIN_HEADER, version_for
from server.usage.answers import limit_headers
from server.usage.estimate import longest_answer, prompt_tokens
from server.wire import JsonResponse

router = APIRouter()


@router.post("/v1/chat/completions")
async def create_chat_completion(request: Request, services: TheServices, principal: Caller) -> Response:
    """Answer as a persona, whole or streamed."""
    principal.require(Scope.CHAT)
    asked = await read_body(request, ChatRequest)
    pin = request.headers.get(PIN_HEADER)
    context = await _context(services, principal, asked, base_url_of(request, services.settings), pin)
    turn, record = ChatTurn(services, context), context.record
    admission = services.meter.admit(
        principal,
        context.persona.id,
        prompt=prompt_tokens(asked, context.persona),
        steps=context.max_steps if context.persona.actions.operations else 1,
        answer=longest_answer(asked, context.persona.spec.model),
    )
    if services.traces is not None:
        services.traces.begin(record)
    observers = (admission, *services.observers)  # nothing that others do may keep it from being counted
    if asked.stream:
        return EventStream(
            observed_stream(turn.stream(), record, observers),
            headers=limit_headers(admission.standings()),
            keep_alive=services.settings.keep_alive_seconds,
        )
    answer = await unless_gone(request, lambda: observed(turn.complete, record, observers))
    return JsonResponse(answer, headers=limit_headers(admission.standings()))


async def _context(
    services: Services, principal: Principal, asked: ChatRequest, base_url: str, pin: str | None
) -> TurnContext:
    persona = services.personas.get(asked.model, principal)
    names = {operation.name for operation in persona.actions.operations}
    check_reserved(asked, names.__contains__, has_actions=bool(names))
    base = persona.spec.model.base
    if base is not None and not is_served(base, services.engine.base_model, services.settings):
        raise Unavailable(
            f"{persona.id!r} is made for the base model {base!r}, and another one runs. "
            "Set REPERTORY_BASE_MODEL, or change model.base in the persona.",
            code="base_model_differs",
        )
    version = await version_for(persona, principal, services.releases, pin)
    limits, settings = persona.spec.model.limits, services.settings
    keep, steps = services.transcripts.keeps(persona.spec.transcripts), Steps()
    record = TurnRecord(
        completion=new_id("chatcmpl"),
        principal=principal.id,
        persona=PersonaId(persona.id),
        revision=persona.revision,
        adapter=version,
        conversation=conversation_of(asked, persona, principal),
        streamed=bool(asked.stream),
        begun_at=services.clock(),
        usage=UsageSum(),
        user=asked.safety_identifier or asked.user,
        private=keep is Keep.OFF,
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
