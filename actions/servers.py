"""Base URLs of operations: which of a document's `servers` counts, and what a base URL may be."""

import re
from collections.abc import Mapping

import httpx

from actions.config import ServerChoice
from actions.document import Document
from actions.errors import DocumentInvalid
from actions.json_value import JsonObject

_VALUE = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*")


def base_url(document: Document, choice: str | ServerChoice | None, levels: tuple[JsonObject, ...]) -> str:
    """Return the base URL of an operation: the persona's own, else one of the innermost `servers`.

    Args:
        document: where a relative URL starts, if it came from a URL.
        choice: the `server` of the persona.
        levels: operation, path item and document, the innermost first.

    Raises:
        DocumentInvalid: there is none, or it cannot be used.
    """
    url = choice if isinstance(choice, str) else _chosen(document, choice or ServerChoice(), levels)
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
    if "{" in url or "}" in url:
        return "which leaves a variable open"
    if parsed.query or parsed.fragment:
        return "which holds a query or a fragment"
    return None


def _chosen(document: Document, choice: ServerChoice, levels: tuple[JsonObject, ...]) -> str:
    """Return the chosen one of the innermost servers; an operation with servers of its own may lack it."""
    found = [servers for level in levels if (servers := _servers(level))]
    innermost: list[JsonObject] = found[0] if found else [{"url": "/"}]
    matching = [
        one for servers in found for one in servers if choice.choose in (one.get("url"), one.get("description"))
    ]
    if choice.choose is not None and not matching:
        known = ", ".join(repr(one.get("url")) for servers in found for one in servers)
        raise DocumentInvalid(
            f"The document {document.name!r} has no server {choice.choose!r}. It has: {known or 'none'}."
        )
    server = next((one for one in matching if one in innermost), innermost[0])
    return _fill(document, server, choice.variables)


def _servers(level: JsonObject) -> list[JsonObject]:
    servers = level.get("servers")
    return [one for one in servers if isinstance(one, dict)] if isinstance(servers, list) else []


def _fill(document: Document, server: JsonObject, given: Mapping[str, str]) -> str:
    """Put values for the variables; a value is a part of a host or path and cannot end it."""
    url, described = str(server.get("url", "/")), server.get("variables")
    variables = described if isinstance(described, dict) else {}
    for name, variable in variables.items():
        stated = variable if isinstance(variable, dict) else {}
        value = given.get(name, str(stated.get("default")))
        allowed = stated.get("enum")
        if name in given and isinstance(allowed, list) and value not in [str(one) for one in allowed]:
            raise DocumentInvalid(
                f"The document {document.name!r} knows for the server variable {name!r} only "
                f"{', '.join(map(str, allowed))}, not {value!r}."
            )
        if name in given and not _VALUE.fullmatch(value):
            raise DocumentInvalid(
                f"The server variable {name!r} cannot be {value!r}. Write a part of a host or path."
            )
        url = url.replace(f"{{{name}}}", value)
    unknown = sorted(given.keys() - variables.keys())
    if unknown and variables:
        raise DocumentInvalid(
            f"The server {url!r} of {document.name!r} has no variable {unknown[0]!r}. "
            f"It has: {', '.join(variables)}."
        )
    return url
