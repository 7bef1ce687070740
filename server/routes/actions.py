"""`/api/actions`: the journal of calls."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Response

from actions import Call, CallState
from actions.journal import CallPage
from core.principal import Scope
from server.access import KeyHolder
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()
_Word = Annotated[str | None, Query(max_length=64)]


@router.get("/api/actions/calls")
async def list_calls(
    services: TheServices,
    principal: KeyHolder,
    persona: _Word = None,
    state: CallState | None = None,
    approval: _Word = None,
    after: _Word = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """List calls of the personas that the key may use, the newest first."""
    principal.require(Scope.APPROVE)

    def read() -> CallPage:
        reached = None
        if principal.personas is not None or not principal.may(Scope.ADMIN):
            reached = [one for one in services.journal.personas() if services.personas.reaches(one, principal)]
        return services.journal.list(
            limit=limit, after=after, persona=persona, state=state, approval=approval, personas=reached
        )

    page = await anyio.to_thread.run_sync(read)
    return JsonResponse({"object": "list", "data": [_shown(one) for one in page.calls], "has_more": page.more})


def _shown(call: Call) -> dict[str, object]:
    return {
        "id": call.id,
        "state": call.state.value,
        "persona": call.persona,
        "revision": call.revision,
        "principal": call.principal,
        "conversation": call.conversation,
        "operation": call.operation,
        "target": call.target,
        "arguments_sha256": call.arguments_hash or None,
        "arguments": call.arguments,
        "approval": call.approval,
        "decided_by": call.decided_by,
        "attempts": call.attempts,
        "status": call.status,
        "created_at": call.created_at,
        "sent_at": call.sent_at,
        "finished_at": call.finished_at,
    }
