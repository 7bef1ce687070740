"""`/api/feedback`: what people think of answers. A key gives and sees its own, an administrator sees all."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from core.errors import NotFound
from core.paging import Slice
from core.principal import Principal, Scope
from server.access import KeyHolder
from server.feedback.store import Opinion, Rating, Wanted
from server.requests import read_body
from server.services import TheServices
from server.transcripts.transcript import Selection
from server.wire import JsonResponse

router = APIRouter()


class FeedbackBody(BaseModel):
    """Somebody's opinion of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: str = Field(min_length=1, max_length=64, description="The answer's `id`, such as `chatcmpl-…`.")
    rating: Rating
    reason: str | None = Field(None, max_length=4000, description="Why, in words.")
    by: str | None = Field(None, min_length=1, max_length=256, description="Your word for who says so.")


@router.post("/api/feedback")
async def give_feedback(request: Request, services: TheServices, principal: KeyHolder) -> Response:
    """Keep an opinion beside the revision, adapter version and sources of the answer."""
    principal.require(Scope.CHAT)
    asked = await read_body(request, FeedbackBody)
    await services.transcripts.flush()
    try:
        turn, _ = await anyio.to_thread.run_sync(services.transcripts.store.get, asked.answer, _own(principal))
    except NotFound as error:
        raise NotFound(
            f"There is no answer {asked.answer!r} of yours that the server still knows. Feedback goes to answers "
            "given with the same key, while their transcript is kept.",
            code="answer_not_found",
            param="answer",
        ) from error
    opinion = Opinion(asked.rating, asked.reason, asked.by)
    return JsonResponse(await anyio.to_thread.run_sync(services.feedback.add, turn, opinion))


@router.get("/api/feedback")
async def list_feedback(
    services: TheServices,
    principal: KeyHolder,
    answer: Annotated[str | None, Query(max_length=64)] = None,
    persona: Annotated[str | None, Query(max_length=64)] = None,
    rating: Rating | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """List feedback, the newest first."""
    principal.require(Scope.CHAT)
    own = _own(principal)
    selection = Selection(principal=own.principal, personas=own.personas, persona=persona)
    part = Slice(limit=limit, after=after)
    page = await anyio.to_thread.run_sync(services.feedback.list, Wanted(selection, answer, rating), part)
    return JsonResponse({"object": "list", "data": list(page.items), "has_more": page.more})


def _own(principal: Principal) -> Selection:
    """Return all that the holder of a key may see."""
    whose = None if principal.may(Scope.ADMIN) else principal.id
    return Selection(principal=whose, personas=principal.personas)
