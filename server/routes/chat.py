"""`POST /v1/chat/completions`."""

from fastapi import APIRouter, Request, Response

from core.principal import Scope
from server.access import Caller
from server.addresses import base_url_of
from server.requests import read_body, unless_gone
from server.services import TheServices
from server.sse import EventStream
from server.turn.asking import ask
from server.turn.record import observed, observed_stream
from server.turn.request import ChatRequest
from server.turn.version import PIN_HEADER
from server.usage.answers import limit_headers
from server.wire import JsonResponse

router = APIRouter()


@router.post("/v1/chat/completions")
async def create_chat_completion(request: Request, services: TheServices, principal: Caller) -> Response:
    """Answer as a persona, whole or streamed."""
    principal.require(Scope.CHAT)
    body = await read_body(request, ChatRequest)
    base_url, pin = base_url_of(request, services.settings), request.headers.get(PIN_HEADER)
    asked = await ask(services, principal, body, base_url=base_url, pin=pin)
    headers = limit_headers(asked.admission.standings())
    if body.stream:
        return EventStream(
            observed_stream(asked.turn.stream(), asked.record, asked.observers),
            headers=headers,
            keep_alive=services.settings.keep_alive_seconds,
        )
    answer = await unless_gone(request, lambda: observed(asked.turn.complete, asked.record, asked.observers))
    return JsonResponse(answer, headers=limit_headers(asked.admission.standings()))
