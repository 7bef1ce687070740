"""`/api/approvals`: calls that wait for a person, and the decisions."""

import anyio
import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from actions import Approval, ApprovalState, ArgumentsInvalid, Decision, Edit
from core.errors import Conflict, ModelNotFound, NotFound
from core.principal import Principal, Scope
from server.access import KeyHolder
from server.requests import read_body
from server.services import Services, TheServices
from server.wire import JsonResponse, complaint

router = APIRouter()


class DecisionBody(BaseModel):
    """A person's decision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision: Decision
    arguments: dict[str, JsonValue] | None = Field(
        None, description="For `edit`: all arguments that the call shall be made with."
    )

    @model_validator(mode="after")
    def _edited(self) -> "DecisionBody":
        if self.decision is Decision.EDIT and self.arguments is None:
            raise complaint(
                "missing_required_parameter", "Say with which arguments the call is made.", field="arguments"
            )
        if self.decision is not Decision.EDIT and self.arguments is not None:
            raise complaint(
                "invalid_value", "Only the decision 'edit' has arguments. Leave them out.", field="arguments"
            )
        return self


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
    """Approve, deny or edit a call; the conversation goes on with its next request."""
    principal.require(Scope.APPROVE)
    asked = await read_body(request, DecisionBody)

    def decided() -> Approval:
        approval = services.approvals.get(approval_id)
        if not services.personas.reaches(approval.persona, principal):
            raise NotFound(f"There is no approval {approval_id!r}.")
        edit = None if asked.arguments is None else _edit(services, approval, asked.arguments, principal)
        return services.approvals.decide(approval_id, asked.decision, principal, edit=edit)

    return JsonResponse(_shown(await anyio.to_thread.run_sync(decided)))


def _edit(services: Services, approval: Approval, arguments: dict[str, JsonValue], principal: Principal) -> Edit:
    """Check what a person wrote as a model's arguments are checked, and see what the call then does."""
    try:
        actions = services.personas.get(approval.persona, principal).actions
    except ModelNotFound as error:
        raise Conflict(
            f"The persona {approval.persona!r} serves no longer, so the call cannot be edited. Deny it.",
            code="persona_not_served",
        ) from error
    try:
        checked = actions.validate(approval.operation, orjson.dumps(arguments).decode())
        return Edit(checked, actions.effect(approval.operation, checked))
    except ArgumentsInvalid as error:
        error.param = "arguments"
        raise


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
        "edited": {"arguments": approval.edited.arguments, "effect": approval.edited.effect}
        if approval.edited
        else None,
        "decided_at": approval.decided_at,
        "decided_by": approval.decided_by,
        "result": approval.result.text if approval.result else None,
    }
