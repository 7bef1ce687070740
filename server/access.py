"""Who is asking, as a dependency of routes: `/v1` may be open to local programs, `/api` never is."""

from typing import Annotated

import anyio
from fastapi import Depends, Request

from core.principal import Principal
from server.services import TheServices


async def caller(request: Request, services: TheServices) -> Principal:
    """Return the principal of a `/v1` request."""
    return await _identified(request, services, key_needed=False)


async def key_holder(request: Request, services: TheServices) -> Principal:
    """Return the principal of an `/api` request."""
    return await _identified(request, services, key_needed=True)


async def _identified(request: Request, services: TheServices, *, key_needed: bool) -> Principal:
    header, gate = request.headers.get("authorization"), services.gate
    if gate.is_news(header):
        await anyio.to_thread.run_sync(gate.learn, header)
    return gate.identify(header, key_needed=key_needed)


Caller = Annotated[Principal, Depends(caller)]
KeyHolder = Annotated[Principal, Depends(key_holder)]
