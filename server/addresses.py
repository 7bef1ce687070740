"""How clients reach this server, for the links in answers."""

from fastapi import Request

from server.settings import Settings


def base_url_of(request: Request, settings: Settings) -> str:
    """Return the public URL, or else the address that the request came to, without a slash at the end."""
    return (settings.public_url or str(request.base_url)).rstrip("/")
