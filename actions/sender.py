"""Sending a request once. Owns limits, redirects and the wording of failures; the guard owns addresses."""

from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import anyio
import httpx

from actions.credentials import NO_CREDENTIALS, CredentialedTransport, Credentials
from actions.errors import AddressRefused, DocumentInvalid
from actions.pauses import retry_after
from actions.reading import WHOLE, Reading
from actions.request import PreparedRequest
from actions.result import ActionResult, unanswered
from actions.text import MAX_CHARACTERS
from actions.vault import Secrets

TIME_LIMIT_SECONDS = 45.0
_MAX_REDIRECTS = 3
_MAX_BYTES = 4 * MAX_CHARACTERS + 8_192  # beyond what is kept, so that a secret on the edge is seen whole
_MAX_SELECTED_BYTES = 4_000_000  # of which a part is picked
_MAX_DOCUMENT_BYTES = 20_000_000
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_AN_ADDRESS = "Invalid URL in location header"  # httpx reads it although it may not follow
_UNCLEAR = "It is not known whether it did what was asked."
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: str
    retry_after: float = 0.0


class Sender:
    """Sends requests through `transport`, within the limits, and words what comes back.

    Args:
        transport: the guarded transport.
        secrets: what must never be shown.
        time_limit: seconds for one whole round trip.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, secrets: Secrets, *, time_limit: float = TIME_LIMIT_SECONDS
    ) -> None:
        self._secrets = secrets
        self._time_limit = time_limit
        self._client = httpx.AsyncClient(
            transport=CredentialedTransport(transport),
            trust_env=False,
            follow_redirects=False,
            timeout=time_limit,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": "Repertory", "Accept-Encoding": "identity", "Connection": "close"},
        )

    async def send(
        self,
        prepared: PreparedRequest,
        credentials: Credentials,
        *,
        reading: Reading = WHOLE,
        seconds: float | None = None,
    ) -> ActionResult:
        """Send once, and word whatever happens for the model; raises nothing of the network.

        Args:
            prepared: what to send.
            credentials: what goes along.
            reading: how the answer is read.
            seconds: for the round trip, where it may not take the usual time.
        """
        limit = self._time_limit if seconds is None else min(seconds, self._time_limit)
        most = _MAX_BYTES if reading.selection is None else _MAX_SELECTED_BYTES
        if prepared.content is not None and len(prepared.content) > 4 * MAX_CHARACTERS:
            return unanswered(f"The request is longer than {MAX_CHARACTERS:,} characters.", certain=True)
        try:
            with anyio.fail_after(limit):
                answer = await self._round_trip(prepared, credentials, most)
        except AddressRefused as error:
            return unanswered(f"The service may not be called. {error.message}", certain=True)
        except _NEVER_SENT:
            text = "The service cannot be reached. Nothing was done; try again later."
            return unanswered(text, certain=True, trouble=True)
        except (TimeoutError, httpx.TimeoutException):
            text = f"The service did not answer within {round(limit, 1):g} seconds. {_UNCLEAR}"
            return unanswered(text, certain=False, trouble=True)
        except (httpx.HTTPError, OSError) as error:
            if str(error).startswith(_NOT_AN_ADDRESS):
                text = "The service redirects to what is no address, which is not followed."
                return unanswered(text, certain=True)
            text = f"The connection to the service broke. {_UNCLEAR}"
            return unanswered(text, certain=False, trouble=True)
        return await self._worded(answer, credentials, reading)

    async def _worded(self, answer: "_Answer", credentials: Credentials, reading: Reading) -> ActionResult:
        def word() -> ActionResult:
            body = self._secrets.hide(answer.body, *credentials.values)
            return reading.result(answer.status, body, retry_after=answer.retry_after)

        return word() if reading.plain else await anyio.to_thread.run_sync(word)

    async def fetch(self, url: str) -> str:
        """Return the text at `url`, an OpenAPI document.

        Raises:
            DocumentInvalid: it cannot be fetched.
            AddressRefused: the guard does not let it be reached.
        """
        try:
            prepared = PreparedRequest("GET", httpx.URL(url), {"Accept": "application/json, */*"}, None)
            with anyio.fail_after(self._time_limit):
                answer = await self._round_trip(prepared, NO_CREDENTIALS, _MAX_DOCUMENT_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise DocumentInvalid(f"The document {url!r} cannot be fetched: {type(error).__name__}.") from error
        if answer.status != 200:
            raise DocumentInvalid(f"The document {url!r} cannot be fetched: status {answer.status}.")
        return answer.body

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def _round_trip(self, prepared: PreparedRequest, credentials: Credentials, max_bytes: int) -> _Answer:
        url = prepared.url
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._client.stream(
                prepared.method,
                url,
                headers=prepared.headers,
                content=prepared.content,
                extensions=credentials.extension(),
            ) as response:
                if response.status_code not in _REDIRECTS:
                    body = await _read(response, max_bytes)
                    return _Answer(response.status_code, body, retry_after(response.headers))
                target = _redirect(response, prepared)
                target = None if target is None else credentials.without(target)
            if target is None or self._secrets.hide(str(target), *credentials.values) != str(target):
                return _Answer(response.status_code, "It redirects elsewhere, which is not followed.")
            url = target
        return _Answer(508, "It redirects without end.")


def _redirect(response: httpx.Response, prepared: PreparedRequest) -> httpx.URL | None:
    """Return where to go on: only for reading, and only on the very host that was asked."""
    try:
        target = prepared.url.join(response.headers.get("location", ""))
    except httpx.InvalidURL:
        return None
    asked = prepared.url
    same = (target.scheme, target.host, target.port) == (asked.scheme, asked.host, asked.port)
    return target if prepared.method == "GET" and same and not target.userinfo else None


async def _read(response: httpx.Response, max_bytes: int) -> str:
    kind = response.headers.get("content-type", "text/plain").split(";")[0].strip().lower()
    coding = response.headers.get("content-encoding", "identity").lower()
    if coding != "identity":
        return f"[an answer in the encoding {coding[:20]!r}, which was not asked for]"
    if not _is_text(kind):
        return f"[an answer of the type {kind[:60]!r}, which is no text]"
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            del body[max_bytes:]
            break
    try:
        return body.decode(response.charset_encoding or "utf-8", errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or any(word in kind for word in ("json", "xml", "yaml", "x-www-form"))
