"""How limits look on the wire: OpenAI's `x-ratelimit-*` headers, and the answer to who has reached one."""

from collections.abc import Iterable

from fastapi import Request, Response

from server.usage.limit import LimitReached, Standing
from server.wire import JsonResponse, error_body

LIMIT_HEADERS = tuple(
    f"x-ratelimit-{part}-{kind}" for kind in ("requests", "tokens") for part in ("limit", "remaining", "reset")
)
_MINUTE = 60


def limit_headers(standings: Iterable[Standing]) -> dict[str, str]:
    """Return OpenAI's headers. They have room for one limit of a kind: a minute's goes before a day's."""
    headers: dict[str, str] = {}
    for one in sorted(standings, key=lambda standing: standing.window == "minute"):
        headers[f"x-ratelimit-limit-{one.kind}"] = str(one.limit)
        headers[f"x-ratelimit-remaining-{one.kind}"] = str(one.left)
        headers[f"x-ratelimit-reset-{one.kind}"] = duration(one.reset)
    return headers


def duration(seconds: float) -> str:
    """Return seconds as OpenAI writes them: `20ms`, `7.5s`, `6m0s`, `23h59m1s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < _MINUTE:
        return f"{round(seconds, 2):g}s"
    whole = round(seconds)
    hours, minutes = divmod(whole // _MINUTE, _MINUTE)
    return (f"{hours}h" if hours else "") + f"{minutes}m{whole % _MINUTE}s"


async def on_limit_reached(_request: Request, error: Exception) -> Response:
    """Return 429 in OpenAI's shape; SDKs are told not to repeat what only another day allows."""
    assert isinstance(error, LimitReached)  # noqa: S101  registered for this class only
    body = error_body(error)
    body["error"]["type"] = error.code
    headers = {"retry-after": f"{error.retry_after:.0f}", **limit_headers(error.standings)}
    if error.code == "insufficient_quota":
        headers["x-should-retry"] = "false"
    return JsonResponse(body, status_code=429, headers=headers)
