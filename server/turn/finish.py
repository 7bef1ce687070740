"""Why an answer ended, in OpenAI's words only."""

from core.errors import UpstreamFailed

_KNOWN = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


def finish_reason(upstream: str | None) -> str:
    """Return a reason that strict clients accept.

    Raises:
        UpstreamFailed: the engine gave the answer up.
    """
    if upstream in ("abort", "error"):
        raise UpstreamFailed("The engine gave this answer up. Ask again.")
    return upstream if upstream in _KNOWN else "stop"
