"""Errors on the wire: the one table from the kind of an error to a status, and OpenAI's error body.

Owns the shape of every failed response; must never know what a persona or an engine is.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.exceptions import HTTPException

from core.errors import ErrorKind, InternalError, InvalidRequest, RepertoryError
from server.observe.request import note_error

_LOG = logging.getLogger(__name__)

STATUS: Mapping[ErrorKind, int] = {
    ErrorKind.INVALID: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.GONE: 410,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.INTERNAL: 500,
    ErrorKind.UPSTREAM: 502,
    ErrorKind.UNAVAILABLE: 503,
}

_TYPES: Mapping[ErrorKind, str] = {
    ErrorKind.FORBIDDEN: "permission_error",
    ErrorKind.RATE_LIMITED: "rate_limit_error",
    ErrorKind.INTERNAL: "server_error",
    ErrorKind.UPSTREAM: "server_error",
    ErrorKind.UNAVAILABLE: "server_error",
}


_NO_FIELDS = frozenset({"body", "str", "int", "float", "literal", "constrained-str"})
_OURS = frozenset({"invalid_value", "missing_required_parameter", "unsupported_parameter", "unsupported_value"})


class JsonResponse(Response):
    """A JSON body written by orjson."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return `content` as JSON bytes."""
        return orjson.dumps(content)


def error_body(error: RepertoryError) -> dict[str, dict[str, str | None]]:
    """Return OpenAI's error object for `error`: always message, type, param and code."""
    note_error(error.code)
    return {
        "error": {
            "message": error.message,
            "type": _TYPES.get(error.kind, "invalid_request_error"),
            "param": error.param,
            "code": error.code,
        }
    }


def error_response(error: RepertoryError) -> Response:
    """Return the whole response for `error`, with `retry-after` where another try makes sense."""
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    if error.kind is ErrorKind.CONFLICT:
        headers["x-should-retry"] = "false"  # the SDK would repeat a 409, which cannot help
    if error.kind is ErrorKind.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    return JsonResponse(error_body(error), status_code=STATUS[error.kind], headers=headers)


def complaint(code: str, message: str, *, field: str | None = None) -> PydanticCustomError:
    """Return what a validator raises to refuse a value in whole sentences.

    Args:
        code: `invalid_value`, `missing_required_parameter`, `unsupported_parameter` or `unsupported_value`.
        message: what is wrong and what to do.
        field: the field within the value at which the validator stands.
    """
    return PydanticCustomError(code, "{words}", {"words": message, "field": field})


def invalid_from_validation(error: ValidationError | RequestValidationError) -> InvalidRequest:
    """Turn pydantic's first complaint into one sentence that names the field.

    The rejected value is left out, since it may be long or secret.
    """
    first = _most_telling(error)
    param = _dotted(first["loc"])
    if first["type"] in _OURS:
        field = first.get("ctx", {}).get("field")
        if field:
            param = field if param == "body" else f"{param}.{field}"
        return InvalidRequest(first["msg"], code=first["type"], param=param)
    if first["type"] == "extra_forbidden":
        return InvalidRequest(
            f"Unknown parameter: {param!r}. Leave it out.", code="unknown_parameter", param=param
        )
    if first["type"] == "missing":
        return InvalidRequest(
            f"Missing required parameter: {param!r}.", code="missing_required_parameter", param=param
        )
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    return InvalidRequest(f"Invalid value for {param!r}: {reason}.", code="invalid_value", param=param)


def install_error_handlers(app: FastAPI) -> None:
    """Make `app` answer every failure, FastAPI's own included, in OpenAI's shape."""
    app.add_exception_handler(RepertoryError, _on_repertory_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(ValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


def unexpected(error: Exception, request_id: str) -> InternalError:
    """Log a defect of ours and return what the caller may know of it."""
    _LOG.error("request %s failed", request_id, exc_info=error)
    return InternalError(f"The server failed on this request. Its log has the details under {request_id!r}.")


def _most_telling(error: ValidationError | RequestValidationError) -> ErrorDetails:
    """Return the first complaint; of those that a union's members make there, the one that came furthest."""
    complaints: list[ErrorDetails] = list(error.errors())
    place = _dotted(complaints[0]["loc"])
    here = [one for one in complaints if _dotted(one["loc"]).startswith(place)]
    return max(here, key=lambda one: (len(one["loc"]), not one["type"].endswith("_type")))


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        if part in _NO_FIELDS or "[" in str(part):
            continue  # the member of a union that pydantic tried
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "body"


async def _on_repertory_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RepertoryError)  # noqa: S101  registered for this class only
    return error_response(error)


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError | RequestValidationError)  # noqa: S101  registered for these
    return error_response(invalid_from_validation(error))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class only
    status = error.status_code
    if status == HTTPStatus.NOT_FOUND:
        message, code = f"No such address: {request.method} {request.url.path}.", "unknown_url"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        message, code = f"{request.url.path} does not take {request.method}.", "method_not_allowed"
    else:
        message, code = str(error.detail), HTTPStatus(status).name.lower()
    note_error(code)
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return JsonResponse(body, status_code=status, headers=dict(error.headers or {}))
