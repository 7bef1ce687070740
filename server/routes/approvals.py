"""`/api/approvals`: calls that wait for a person, and the decisions."""

import anyio
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from actions import Approval, ApprovalState, Decision
from core.errors import NotFound
from core.principal import Scope
from server.access import KeyHolder
from server.requests import read_body
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()


class DecisionBody(BaseModel):
    """A person's decision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision: Decision


@router.get("/api/approvals")
async def list_approvals(
    services: TheServices, principal: KeyHolder, state: ApprovalState | None = None
) -> Response:
    """List the calls, the oldest first."""
    principal.require(Scope.APPROVE)
    found = await anyio.to_thread.run_sync(services.approvals.list, state)
    shown = [_shown(one) for one in found if services.personas.reaches(one.persona, principal)]
    return JsonResponse({"object": "list", "data": shown})


@router.post("/api/approvals/{approval_id}")
async def decide(request: Request, approval_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Approve or deny a call; the conversation goes on with its next request."""
    principal.require(Scope.APPROVE)
    asked = await read_body(request, DecisionBody)

    def decided() -> Approval:
        if not services.personas.reaches(services.approvals.get(approval_id).persona, principal):
            raise NotFound(f"There is no approval {approval_id!r}.")
        return services.approvals.decide(approval_id, asked.decision, principal)

    return JsonResponse(_shown(await anyio.to_thread.run_sync(decided)))


def _shown(approval: Approval) -> dict[str, object]:
    return {
        "id": approval.id,
        "state": approval.state.value,
        "persona": approval.persona,
        "principal": approval.principal,
        "conversation": approval.conversation,
        "operation": approval.operation,
        "arguments": approval.arguments,
        "effect": approval.effect,
        "created_at": approval.created_at,
        "expires_at": approval.expires_at,
        "decided_by": approval.decided_by,
        "result": approval.result.text if approval.result else None,
    }
