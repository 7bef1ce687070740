"""A small client of the running server: requests, its errors as ours, and the chat stream.

Knows the wire; knows no terminal.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from core.errors import InvalidRequest, NotAuthenticated, RepertoryError, Unavailable, UpstreamFailed

Answer = TypeVar("Answer", bound=BaseModel)
_TIMEOUT = httpx.Timeout(60, connect=5)
_LIMITS = httpx.Limits(max_keepalive_connections=0)
"""A command asks seldom: no connection idles until the server closes it, perhaps just as it is used again."""
_STREAM_TIMEOUT = httpx.Timeout(300, connect=5)


class Gateway:
    """Talks to one server.

    Args:
        url: its address.
        key: sent as bearer token, if there is one.
    """

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.url = url.rstrip("/")
        # The server is ours and usually this machine: a proxy of the environment has no part in it.
        self._client = httpx.Client(
            base_url=self.url, headers=headers, timeout=_TIMEOUT, limits=_LIMITS, trust_env=False
        )

    def url_of(self, path: str) -> str:
        """Make an address of the server's whole: citations may be relative to it."""
        return self.url + path if path.startswith("/") else path

    def get(self, path: str, **query: str) -> object:
        """Return the JSON body of a GET."""
        return self._json("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, object]) -> object:
        """Return the JSON body of a POST."""
        return self._json("POST", path, json=dict(body))

    def delete(self, path: str, **query: str) -> object:
        """Return the JSON body of a DELETE."""
        return self._json("DELETE", path, params=query)

    def upload(self, path: Path) -> object:
        """Send a file for knowledge, as it is read; return the JSON body.

        Raises:
            InvalidRequest: it cannot be read.
        """
        try:
            with path.open("rb") as file:
                return self._json(
                    "POST", "/v1/files", data={"purpose": "assistants"}, files={"file": (path.name, file)}
                )
        except OSError as error:
            raise InvalidRequest(f"{str(path)!r} cannot be read: {error.strerror}.") from error

    def stream(self, path: str, body: Mapping[str, object]) -> Iterator[object]:
        """Yield the JSON frames of a server-sent stream, `[DONE]` left out.

        Raises:
            RepertoryError: the server refused, broke off or sent an error frame.
        """
        try:
            with self._client.stream("POST", path, json=dict(body), timeout=_STREAM_TIMEOUT) as response:
                if response.is_error:
                    response.read()
                    raise _error_of(response)
                yield from _frames(response)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, BinaryIO]] | None = None,
    ) -> object:
        try:
            response = self._client.request(method, path, params=params, json=json, data=data, files=files)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _error_of(response)
        return response.json()

    def _unreachable(self, error: httpx.HTTPError) -> RepertoryError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Unavailable(
                f"No server answers at {self.url}. Start one with `make run` (or `repertory serve`), or say "
                "where it is with --url."
            )
        return UpstreamFailed(f"The server at {self.url} broke off ({type(error).__name__}). Look at its log.")


def read(model: type[Answer], body: object, *, under: str = "data") -> list[Answer]:
    """Check a list answer: an object with the list under `data`, or under another name.

    Raises:
        UpstreamFailed: the server answers in a shape that this client does not know.
    """
    items = body.get(under) if isinstance(body, dict) else None
    try:
        return TypeAdapter(list[model]).validate_python(items)  # type: ignore[valid-type] # a run-time type
    except ValidationError as error:
        raise UpstreamFailed(
            "The server's answer has an unknown shape. Are its version and yours the same?"
        ) from error


def _frames(response: httpx.Response) -> Iterator[object]:
    for line in response.iter_lines():
        if not line.startswith("data:"):
            continue  # a comment that keeps the connection alive
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        frame = json.loads(data)
        if isinstance(frame, dict) and "error" in frame:
            raise UpstreamFailed(_told(frame, "message") or "The answer broke off.")
        yield frame


def _error_of(response: httpx.Response) -> RepertoryError:
    try:
        body = response.json()
        message, code = _told(body, "message"), _told(body, "code")
    except ValueError:
        message, code = None, None
    if message is None:
        message = f"The server answered {response.status_code} without saying why. Look at its log."
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return NotAuthenticated(
            f"{message} The command line takes the key from --api-key, REPERTORY_API_KEY, or admin.key in "
            "the data directory."
        )
    return UpstreamFailed(message, code=code) if code else UpstreamFailed(message)


def _told(body: object, name: str) -> str | None:
    """Return one text of an error object."""
    error = body.get("error") if isinstance(body, dict) else None
    told = error.get(name) if isinstance(error, dict) else None
    return told if isinstance(told, str) else None
