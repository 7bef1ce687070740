"""Reading a JSON body into a model, and giving up work when its client leaves."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from core.errors import InvalidRequest, RepertoryError, UpstreamFailed
from server.wire import invalid_from_validation

Body = TypeVar("Body", bound=BaseModel)
Result = TypeVar("Result")
_MAX_DEPTH = 64


async def read_bytes(request: Request) -> bytes:
    """Return the request's body.

    Raises:
        UpstreamFailed: the client left in the middle of it; nobody reads the answer.
    """
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise UpstreamFailed("The client left before its request was whole.", code="client_gone") from error


async def read_body(request: Request, model: type[Body]) -> Body:
    """Return the request's JSON body, checked.

    Raises:
        InvalidRequest: it is no JSON object, too deep, or does not fit; the message names the field.
        UpstreamFailed: the client left in the middle of it; nobody reads the answer.
    """
    try:
        document: object = orjson.loads(await read_bytes(request))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from error
    if not isinstance(document, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    if _deeper_than(document, _MAX_DEPTH):
        raise InvalidRequest(f"The body is nested more than {_MAX_DEPTH} levels deep.", code="invalid_json")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise invalid_from_validation(error) from error


async def unless_gone(request: Request, work: Callable[[], Awaitable[Result]]) -> Result:
    """Run `work`, cancelled as soon as the client leaves."""
    results: list[Result] = []
    failures: list[RepertoryError] = []

    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_when_gone, request, group.cancel_scope)
        try:
            results.append(await work())
        except RepertoryError as error:  # raised outside the task group, which would wrap it
            failures.append(error)
        group.cancel_scope.cancel()
    if failures:
        raise failures[0]
    if results:
        return results[0]
    raise UpstreamFailed("The client left before the answer was ready.", code="client_gone")


async def _cancel_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _deeper_than(document: object, limit: int) -> bool:
    layer: list[object] = [document]
    for _ in range(limit):
        layer = [
            child
            for node in layer
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not layer:
            return False
    return True
