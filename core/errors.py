"""The error tree. Owns what can go wrong in words; must never know HTTP.

::

    RepertoryError
    ├── InvalidRequest        the caller sent something that cannot be used
    │   └── ContextTooLong    the prompt does not fit the model
    ├── NotAuthenticated      no key, or a wrong one
    ├── PermissionDenied      the key is good, the right is missing
    ├── NotFound              no such thing, or not yours
    │   └── ModelNotFound     no such persona, or not yours
    ├── Gone                  it was here once, and has ended for good
    ├── Conflict              the thing is not in a state that allows this
    ├── TooLarge              over a size limit
    ├── RateLimited           over a quota; try again later
    ├── Unavailable           a part of the server is away; try again later
    ├── UpstreamFailed        the engine or an outer service broke off
    └── InternalError         a defect of ours

The features add their own leaves by subclassing one of these with a `code` of their own.
"""

from enum import StrEnum
from typing import ClassVar


class ErrorKind(StrEnum):
    """The few ways in which a request can fail; one table in the server maps a kind to a status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    GONE = "gone"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    UPSTREAM = "upstream"
    INTERNAL = "internal"


class RepertoryError(Exception):
    """Anything that Repertory reports to its user.

    Attributes:
        message: one sentence that names the thing and says what to do next.
        code: a stable word for programs.
        param: the field of the request that is at fault, if one is.
        retry_after: seconds after which another try makes sense, if any.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL
    code: str = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        if code is not None:
            self.code = code


class InvalidRequest(RepertoryError):
    """The caller sent something that cannot be used."""

    kind = ErrorKind.INVALID
    code = "invalid_request"


class ContextTooLong(InvalidRequest):
    """The prompt does not fit the model's context."""

    code = "context_length_exceeded"


class NotAuthenticated(RepertoryError):
    """No key, or a wrong one."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "invalid_api_key"


class PermissionDenied(RepertoryError):
    """The key is good, the right is missing."""

    kind = ErrorKind.FORBIDDEN
    code = "permission_denied"


class NotFound(RepertoryError):
    """No such thing, or not the caller's."""

    kind = ErrorKind.NOT_FOUND
    code = "not_found"


class ModelNotFound(NotFound):
    """No such persona, or not the caller's."""

    code = "model_not_found"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model {model!r} does not exist or you do not have access to it. "
            "GET /v1/models lists the personas that you may use.",
            param="model",
        )


class Gone(RepertoryError):
    """It was here once, and has ended for good."""

    kind = ErrorKind.GONE
    code = "gone"


class Conflict(RepertoryError):
    """The thing is not in a state that allows this."""

    kind = ErrorKind.CONFLICT
    code = "conflict"


class TooLarge(RepertoryError):
    """Over a size limit."""

    kind = ErrorKind.TOO_LARGE
    code = "request_too_large"


class RateLimited(RepertoryError):
    """Over a quota; try again later."""

    kind = ErrorKind.RATE_LIMITED
    code = "rate_limit_exceeded"


class Unavailable(RepertoryError):
    """A part of the server is away; try again later."""

    kind = ErrorKind.UNAVAILABLE
    code = "unavailable"


class UpstreamFailed(RepertoryError):
    """The engine or an outer service broke off."""

    kind = ErrorKind.UPSTREAM
    code = "upstream_failed"


class InternalError(RepertoryError):
    """A defect of ours."""
