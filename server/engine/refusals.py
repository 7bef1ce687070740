"""What vLLM's error bodies mean, in our error classes. Knows texts of vLLM; never passes prompts on."""

import orjson

from core.errors import (
    ContextTooLong,
    InvalidRequest,
    RateLimited,
    RepertoryError,
    Unavailable,
    UpstreamFailed,
)

_TOO_LONG = (
    "maximum context length",
    "longer than the maximum model length",
    "cannot be greater than max_model_len",
    "max_total_tokens",
)
_MAX_PASSED_ON = 300


def engine_refusal(status: int, body: bytes) -> RepertoryError:
    """Return the error for vLLM's answer `body` with `status` (or the code of an error frame)."""
    message = _message_of(body)
    if status in (400, 422):
        if any(mark in message for mark in _TOO_LONG):
            return ContextTooLong(
                "The conversation, the persona's instructions and the answer asked for do not fit the "
                "model's context. Shorten the messages or lower max_tokens.",
                param="messages",
            )
        return InvalidRequest(f"The engine refused the request: {_safe(message)}", code="engine_refused")
    if status == 404:
        return Unavailable(
            "The engine does not serve this persona's adapter at the moment.",
            code="adapter_unavailable",
            retry_after=5,
        )
    if status == 429:
        return RateLimited("The engine has too many requests waiting. Ask again later.", retry_after=5)
    if status == 503:
        return Unavailable("The engine takes no requests at the moment.", code="engine_unavailable", retry_after=5)
    return UpstreamFailed(f"The engine failed with status {status}. Ask again; its log has the details.")


def broken_off(frame: bytes) -> RepertoryError:
    """Return the error for an error frame in the middle of a stream; its `code` is a status, or anything."""
    code = orjson.loads(frame).get("error", {}).get("code")
    return engine_refusal(code if isinstance(code, int) else 500, frame)


def _message_of(body: bytes) -> str:
    try:
        document = orjson.loads(body)
        inner = document.get("error", document)
        return str(inner.get("message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ""


def _safe(message: str) -> str:
    """Pass on short sentences only: vLLM's validation errors quote their input, instructions included."""
    if not message or len(message) > _MAX_PASSED_ON or "input" in message or "\n" in message:
        return "a parameter has a value that it cannot use. Check tools, response_format and sampling."
    return message
