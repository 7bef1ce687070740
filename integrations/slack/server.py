"""The Repertory server, as any client sees it. Knows HTTP and the wire, never Slack."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import httpx
from pydantic import SecretStr

from core.errors import RepertoryError, Unavailable, UpstreamFailed

Json = Mapping[str, object]
_TIMEOUT = httpx.Timeout(60, connect=5)
_STREAM_TIMEOUT = httpx.Timeout(300, connect=5)


class Refused(RepertoryError):
    """The server says no; `status` tells how."""

    def __init__(self, message: str, code: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a persona.

    Attributes:
        user: the server's word for the person.
        stores: vector stores to look into beside the persona's own knowledge.
    """

    persona: str
    messages: Sequence[Mapping[str, str]]
    user: str
    conversation: str
    stores: Sequence[str] = field(default_factory=tuple)

    def body(self) -> Json:
        """Return the request."""
        own: dict[str, object] = {"include": True, "conversation": self.conversation}
        if self.stores:
            own["vector_stores"] = list(self.stores)
        return {
            "model": self.persona,
            "messages": [dict(message) for message in self.messages],
            "stream": True,
            "user": self.user,
            "repertory": own,
        }


class Server:
    """A client of one server. Each call says whose key it uses.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        # Usually this machine: a proxy of the environment has no part in it.
        self._client = httpx.AsyncClient(base_url=self._url, timeout=_TIMEOUT, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def url_of(self, path: str) -> str:
        """Make an address of the server's whole."""
        return self._url + path if path.startswith("/") else path

    async def get(self, path: str, key: SecretStr, **query: str) -> Json:
        """Return the JSON body of a GET."""
        return await self._json("GET", path, key, params=query)

    async def post(self, path: str, key: SecretStr, body: Json) -> Json:
        """Return the JSON body of a POST."""
        return await self._json("POST", path, key, json=dict(body))

    async def delete(self, path: str, key: SecretStr) -> Json:
        """Return the JSON body of a DELETE."""
        return await self._json("DELETE", path, key)

    async def upload(self, key: SecretStr, name: str, content: bytes, *, days: int) -> Json:
        """Keep a file at the server for some days; return its object."""
        fields = {
            "purpose": "assistants",
            "expires_after[anchor]": "created_at",
            "expires_after[seconds]": str(days * 86_400),
        }
        return await self._json("POST", "/v1/files", key, data=fields, files={"file": (name, content)})

    async def stream(self, asked: Asked, key: SecretStr) -> AsyncGenerator[Json, None]:
        """Yield the frames of an answer, `[DONE]` left out.

        Raises:
            Refused: the server does not answer this.
            Unavailable: no server answers.
            UpstreamFailed: it broke off.
        """
        try:
            async with self._client.stream(
                "POST", "/v1/chat/completions", json=asked.body(), headers=_bearer(key), timeout=_STREAM_TIMEOUT
            ) as response:
                if response.is_error:
                    await response.aread()
                    raise _refusal(response)
                async for line in response.aiter_lines():
                    if not line.startswith("data:"):
                        continue  # a comment that keeps the connection alive
                    data = line.removeprefix("data:").strip()
                    if data == "[DONE]":
                        return
                    frame = json.loads(data)
                    if "error" in frame:
                        raise UpstreamFailed(str(frame["error"]["message"]), code=str(frame["error"]["code"]))
                    yield frame
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def _json(self, method: str, path: str, key: SecretStr, **rest: object) -> Json:
        try:
            response = await self._client.request(
                method,
                path,
                headers=_bearer(key),
                **rest,  # type: ignore[arg-type]  # one of httpx's own arguments
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refusal(response)
        return cast(Json, response.json())

    def _unreachable(self, error: httpx.HTTPError) -> RepertoryError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Unavailable(f"No Repertory server answers at {self._url}. Start it, or say where it is.")
        return UpstreamFailed(f"The server at {self._url} broke off ({type(error).__name__}).")


def _bearer(key: SecretStr) -> dict[str, str]:
    return {"authorization": f"Bearer {key.get_secret_value()}"}


def _refusal(response: httpx.Response) -> Refused:
    try:
        error = response.json()["error"]
        message, code = str(error["message"]), str(error["code"])
    except (ValueError, KeyError, TypeError):
        message, code = f"The server answered {response.status_code} without saying why.", "unknown"
    after = response.headers.get("retry-after", "")
    return Refused(message, code, response.status_code, float(after) if after.isdecimal() else None)
