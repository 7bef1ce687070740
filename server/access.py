"""Who is asking, as a dependency of routes: `/v1` may be open to local programs, `/api` never is."""

from typing import Annotated

import anyio
from fastapi import Depends, Request

from core.principal import Principal
from server.services import TheServices


async def caller(request: Request, services: TheServices) -> Principal:
    """Return the principal of a `/v1` request."""
    header = request.headers.get("authorization")
    return await anyio.to_thread.run_sync(lambda: services.gate.identify(header, key_needed=False))


async def key_holder(request: Request, services: TheServices) -> Principal:
    """Return the principal of an `/api` request."""
    header = request.headers.get("authorization")
    return await anyio.to_thread.run_sync(lambda: services.gate.identify(header, key_needed=True))


Caller = Annotated[Principal, Depends(caller)]
KeyHolder = Annotated[Principal, Depends(key_holder)]
