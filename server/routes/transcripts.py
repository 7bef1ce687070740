"""`/api/transcripts`: what is kept of chat turns. A key sees and deletes its own, an administrator all."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request, Response

from core.errors import InvalidRequest, NotFound
from core.ids import PrincipalId
from core.principal import Principal, Scope
from server.access import KeyHolder
from server.services import Services, TheServices
from server.transcripts.transcript import Selection, Texts
from server.wire import JsonResponse

router = APIRouter()

_FILTERS = frozenset({"principal", "user", "conversation", "persona", "from", "to", "after", "limit"})
_SELECTORS = frozenset({"principal", "user", "conversation"})
_Moment = Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)]


@router.get("/api/transcripts")
async def list_transcripts(
    request: Request,
    services: TheServices,
    principal: KeyHolder,
    begin: Annotated[_Moment, Query(alias="from")] = None,
    end: Annotated[_Moment, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """List transcripts without their texts, the newest first."""
    selection = _selection(request, principal, _FILTERS, begin=begin, end=end)
    after = request.query_params.get("after")
    await services.transcripts.flush()
    page = await anyio.to_thread.run_sync(
        lambda: services.transcripts.store.list(selection, limit=limit, after=after)
    )
    shown = [one.shown() for one in page.transcripts]
    return JsonResponse({"object": "list", "data": shown, "has_more": page.more})


@router.get("/api/transcripts/{transcript_id}")
async def get_transcript(transcript_id: str, services: TheServices, principal: KeyHolder) -> Response:
    """Return one transcript, with its texts if they are kept."""
    principal.require(Scope.CHAT)
    await services.transcripts.flush()
    found, texts = await anyio.to_thread.run_sync(services.transcripts.store.get, transcript_id, _own(principal))
    return JsonResponse({**found.shown(), "content": None if texts is None else _shown(texts)})


@router.delete("/api/transcripts")
async def delete_transcripts(request: Request, services: TheServices, principal: KeyHolder) -> Response:
    """Delete for good the transcripts of a user, a conversation or a principal."""
    _refuse_empty(request)
    selection = _selection(request, principal, _SELECTORS)
    if selection.user is None and selection.conversation is None and "principal" not in request.query_params:
        raise InvalidRequest(
            "Say whose transcripts go: user=…, conversation=… or principal=….",
            code="missing_required_parameter",
            param="user",
        )
    await services.transcripts.flush()
    count, opinions, approvals, calls = await anyio.to_thread.run_sync(_delete, services, selection)
    if not (count or opinions or approvals or calls):
        raise NotFound("There are no such transcripts.", code="transcript_not_found")
    erased = await services.transcripts.erase()
    return JsonResponse(
        {
            "object": "transcripts.deleted",
            "deleted": count,
            "feedback_deleted": opinions,
            "approvals_blanked": approvals,
            "calls_blanked": calls,
            "erased": erased,
        }
    )


def _delete(services: Services, selection: Selection) -> tuple[int, int, int, int]:
    """Delete the turns last, so that a broken-off deletion can be repeated: they name the conversations."""
    store = services.transcripts.store
    meant = {*store.conversations(selection)}
    if selection.conversation is not None and selection.user is None:  # it may have calls and no transcript
        meant.add(selection.conversation)
    whose, personas = selection.principal, selection.personas
    approvals = services.approvals.forget(meant, whose, personas=personas, blanked=store.owe_erasure)
    calls = services.journal.forget(meant, whose, personas=personas, blanked=store.owe_erasure)
    opinions = services.feedback.forget(selection, blanked=store.owe_erasure)
    return store.delete(selection), opinions, approvals, calls


def _refuse_empty(request: Request) -> None:
    """Refuse an empty condition: a script's unset variable must not delete what nobody meant."""
    for name in sorted(_SELECTORS):
        if "" in request.query_params.getlist(name):
            raise InvalidRequest(f"{name!r} is empty. Say whose transcripts go.", code="invalid_value", param=name)


def _own(principal: Principal) -> Selection:
    """Return all that the holder of a key may see."""
    if principal.may(Scope.ADMIN):
        return Selection(personas=principal.personas)
    return Selection(principal=principal.id, personas=principal.personas)


def _selection(
    request: Request,
    principal: Principal,
    known: frozenset[str],
    *,
    begin: float | None = None,
    end: float | None = None,
) -> Selection:
    """Return what the query asks for, within what the holder may see.

    A misspelt filter is refused: ignored, it would show or delete more than was meant.
    """
    principal.require(Scope.CHAT)
    query = request.query_params
    if unknown := sorted(set(query) - known):
        raise InvalidRequest(
            f"Unknown parameter: {unknown[0]!r}. Known here: {', '.join(sorted(known))}.",
            code="unknown_parameter",
            param=unknown[0],
        )
    own = _own(principal)
    asked = query.get("principal")
    if own.principal is not None and asked not in (None, own.principal):
        raise NotFound("There are no such transcripts.", code="transcript_not_found")
    return Selection(
        principal=own.principal or (PrincipalId(asked) if asked is not None else None),
        user=query.get("user"),
        conversation=query.get("conversation"),
        persona=query.get("persona"),
        personas=own.personas,
        begin=begin,
        end=end,
    )


def _shown(texts: Texts) -> dict[str, object]:
    return {
        "messages": texts.messages,
        "answers": texts.answers,
        "passages": texts.passages,
        "steps": texts.steps,
    }
