"""`GET /api/usage`: what keys have used, by key, persona and day."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request, Response

from core.errors import InvalidRequest, PermissionDenied
from core.principal import Principal, Scope
from server.access import KeyHolder
from server.services import TheServices
from server.usage.counts import NOTHING
from server.usage.report import Group, Wanted, key_name
from server.wire import JsonResponse

router = APIRouter()
_DAYS = 30
_PARAMETERS = frozenset({"key", "persona", "from", "to", "group_by"})


@router.get("/api/usage")
async def usage(
    request: Request,
    services: TheServices,
    principal: KeyHolder,
    key: str | None = None,
    persona: str | None = None,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    group_by: str = "key,persona,day",
) -> Response:
    """Return sums of requests and tokens: an administrator's of all keys, anybody else's of the own one.

    Days are days of UTC, both ends included; without them the last 30.
    """
    if unknown := sorted(set(request.query_params) - _PARAMETERS):
        raise InvalidRequest(
            f"Unknown parameter: {unknown[0]!r}. Known here: {', '.join(sorted(_PARAMETERS))}.",
            code="unknown_parameter",
            param=unknown[0],
        )
    end = last or datetime.fromtimestamp(services.clock(), UTC).date()
    begin = first or date.fromordinal(max(1, end.toordinal() - _DAYS + 1))
    wanted = Wanted(_groups(group_by), begin.isoformat(), end.isoformat(), _key(principal, key), persona)
    lines = await anyio.to_thread.run_sync(services.meter.ledger.report, wanted)
    total = sum((line.counts for line in lines), NOTHING)
    return JsonResponse(
        {
            "object": "list",
            "from": wanted.first,
            "to": wanted.last,
            "data": [{**line.of, **asdict(line.counts)} for line in lines],
            "total": asdict(total),
        }
    )


def _groups(text: str) -> tuple[Group, ...]:
    try:
        return tuple(dict.fromkeys(Group(part.strip()) for part in text.split(",") if part.strip()))
    except ValueError as error:
        raise InvalidRequest(
            "group_by takes key, persona and day, comma-separated.", code="invalid_value", param="group_by"
        ) from error


def _key(principal: Principal, asked: str | None) -> str | None:
    if principal.may(Scope.ADMIN):
        return asked
    own = key_name(principal.id)
    if asked not in (None, own):
        raise PermissionDenied("This key sees its own usage only. Leave key out, or ask with an admin key.")
    return own
