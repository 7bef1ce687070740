"""Base URLs of operations: which of a document's `servers` counts, and what a base URL may be."""

import re

import httpx

from actions.document import Document
from actions.errors import DocumentInvalid
from actions.json_value import JsonObject, JsonValue


def base_url(document: Document, override: str | None, levels: tuple[JsonObject, ...]) -> str:
    """Return the base URL of an operation: the override, else the first of the innermost `servers`.

    Args:
        document: where a relative URL starts, if it came from a URL.
        override: the `server` of the persona.
        levels: operation, path item and document, the innermost first.

    Raises:
        DocumentInvalid: there is none, or it cannot be used.
    """
    url = override if override is not None else _first(levels)
    if document.url is not None:
        url = str(httpx.URL(document.url).join(url))
    return checked_url(url, document.name)


def checked_url(url: str, name: str) -> str:
    """Return `url` without a slash at its end, if it is an absolute http(s) URL of a plain host and path.

    Raises:
        DocumentInvalid: it is not.
    """
    problem = _problem(url)
    if problem:
        raise DocumentInvalid(
            f"The document {name!r} gives the server {url!r:.200}, {problem}. "
            "Write `server: https://host/path` in the persona."
        )
    return url.rstrip("/")


def _problem(url: str) -> str | None:
    if re.search(r"[\s\\\x00-\x1f\x7f]", url):
        return "which holds a space, a backslash or a control character"
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "which is no URL"
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        return "which is no absolute http or https URL"
    if parsed.userinfo:
        return "which holds a user name"
    if parsed.query or parsed.fragment:
        return "which holds a query or a fragment"
    return None


def _first(levels: tuple[JsonObject, ...]) -> str:
    for level in levels:
        servers = level.get("servers")
        if isinstance(servers, list) and servers and isinstance(servers[0], dict):
            return _fill(str(servers[0].get("url", "/")), servers[0].get("variables"))
    return "/"


def _fill(url: str, variables: JsonValue) -> str:
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        default = variable.get("default") if isinstance(variable, dict) else None
        url = url.replace(f"{{{name}}}", str(default))
    return url
