"""`/api/rollouts`: a version meets users step by step, and is taken back at one word."""

from typing import Annotated, Literal

import anyio
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adapters.rollouts.plan import HardStops, Plan
from core.principal import Scope
from server.access import KeyHolder
from server.requests import read_body
from server.rollouts.conduct import Conduct
from server.rollouts.page import page_of
from server.rollouts.shown import shown, told
from server.services import TheServices
from server.wire import JsonResponse

router = APIRouter()
Stage = Literal["shadow", "1", "5", "25", "50", "100", "production"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StopsBody(_Body):
    """What ends a rollout at once, without statistics; shares are those beyond the control arm's."""

    turns: int = Field(20, ge=1, le=10_000, description="Turns before shares and times count.")
    window: int = Field(200, ge=10, le=10_000, description="How many of the last turns they are shares of.")
    errors: float = Field(0.05, ge=0, le=1, description="Most turns that end with an error.")
    empty: float = Field(0.05, ge=0, le=1, description="Most answers without a word or a call.")
    truncated: float = Field(0.10, ge=0, le=1, description="Most answers that are cut off.")
    repeated: float = Field(0.05, ge=0, le=1, description="Most answers that end in a loop.")
    latency: float = Field(2.0, ge=1, le=100, description="Most that the 95th percentile may be of the control's.")
    slower: float = Field(0.5, ge=0, le=3600, description="Seconds that it must be slower, too.")
    unsafe: int = Field(0, ge=0, le=1_000, description="Unsafe answers that may be.")


class RolloutBody(_Body):
    """Which version is to be tried, and how."""

    adapter: str = Field(min_length=1, max_length=64)
    version: int = Field(ge=1, le=999_999_999)
    stage: Literal["shadow", "1", "5", "25", "50", "100"] = "shadow"
    unit: Literal["user", "conversation"] = "user"
    metric: Literal["faults", "outcome"] = "faults"
    alpha: float = Field(0.05, ge=0.0001, le=0.5)
    tau: float = Field(0.1, ge=0.001, le=1)
    most: int = Field(10_000, ge=30, le=1_000_000)
    stops: StopsBody = StopsBody.model_validate({})
    reason: str = Field("", max_length=1000)

    def plan(self) -> Plan:
        """Return it as the plan of a rollout."""
        stops = HardStops(**self.stops.model_dump())
        return Plan(self.unit, self.metric, self.alpha, self.tau, self.most, stops)


class AdvanceBody(_Body):
    """How far it is to go."""

    to: Stage
    reason: str = Field("", max_length=1000)


class ReasonBody(_Body):
    """Why."""

    reason: str = Field("", max_length=1000)


class OutcomeBody(_Body):
    """What an answer was worth."""

    response: str = Field(min_length=1, max_length=128, description="Id of the answer.")
    outcome: Literal[0, 1] | None = Field(None, description="1: it did what it was for.")
    unsafe: bool = Field(False, description="It should never have been given.")


def _conduct(services: TheServices) -> Conduct:
    assert services.rollouts is not None  # noqa: S101  set by server.serve
    return services.rollouts


TheConduct = Annotated[Conduct, Depends(_conduct)]


@router.get("/api/rollouts")
async def list_rollouts(conduct: TheConduct, principal: KeyHolder) -> Response:
    """List all rollouts, the newest first."""
    principal.require(Scope.ADAPTERS)
    found = await anyio.to_thread.run_sync(conduct.rollouts.list)
    return JsonResponse({"object": "list", "data": [shown(one) for one in found]})


@router.post("/api/rollouts")
async def start_rollout(request: Request, conduct: TheConduct, principal: KeyHolder) -> Response:
    """Load and prove an approved version, and begin to try it beside the one in production."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, RolloutBody)
    started = await conduct.start(
        body.adapter,
        body.version,
        stage=body.stage,
        plan=body.plan(),
        by=str(principal.id),
        reason=body.reason,
    )
    return JsonResponse(shown(started))


@router.get("/api/rollouts/{rollout_id}")
async def show_rollout(rollout_id: str, conduct: TheConduct, principal: KeyHolder) -> Response:
    """Show a rollout with what its arms came to, its test, and what was done with it."""
    principal.require(Scope.ADAPTERS)
    return JsonResponse(await told(conduct, rollout_id))


@router.get("/api/rollouts/{rollout_id}/page")
async def rollout_page(rollout_id: str, conduct: TheConduct, principal: KeyHolder) -> Response:
    """Show the same as one page of HTML with a plot."""
    principal.require(Scope.ADAPTERS)
    page = page_of(await told(conduct, rollout_id))
    policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(page, media_type="text/html; charset=utf-8", headers=policy)


@router.post("/api/rollouts/{rollout_id}/advance")
async def advance_rollout(
    request: Request, rollout_id: str, conduct: TheConduct, principal: KeyHolder
) -> Response:
    """Go on to a later stage; `production` ends the rollout well."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, AdvanceBody)
    return JsonResponse(
        shown(await conduct.advance(rollout_id, body.to, by=str(principal.id), reason=body.reason))
    )


@router.post("/api/rollouts/{rollout_id}/pause")
async def pause_rollout(request: Request, rollout_id: str, conduct: TheConduct, principal: KeyHolder) -> Response:
    """Let production answer everyone for a while."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, ReasonBody)
    return JsonResponse(shown(await conduct.pause(rollout_id, by=str(principal.id), reason=body.reason)))


@router.post("/api/rollouts/{rollout_id}/resume")
async def resume_rollout(request: Request, rollout_id: str, conduct: TheConduct, principal: KeyHolder) -> Response:
    """Go on where it was paused."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, ReasonBody)
    resumed = await conduct.pause(rollout_id, by=str(principal.id), reason=body.reason, paused=False)
    return JsonResponse(shown(resumed))


@router.post("/api/rollouts/{rollout_id}/stop")
async def stop_rollout(request: Request, rollout_id: str, conduct: TheConduct, principal: KeyHolder) -> Response:
    """Let production answer everyone again, and roll the version back."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, ReasonBody)
    return JsonResponse(shown(await conduct.stop(rollout_id, by=str(principal.id), reason=body.reason)))


@router.post("/api/rollouts/{rollout_id}/outcomes")
async def tell_outcome(request: Request, rollout_id: str, conduct: TheConduct, principal: KeyHolder) -> Response:
    """Say what an answer of this rollout was worth; what was said first stays."""
    principal.require(Scope.ADAPTERS)
    body = await read_body(request, OutcomeBody)
    good = None if body.outcome is None else bool(body.outcome)
    taken = await conduct.tell(rollout_id, body.response, good=good, unsafe=body.unsafe, by=str(principal.id))
    return JsonResponse({"object": "rollout.outcome", "response": body.response, "taken": taken})
