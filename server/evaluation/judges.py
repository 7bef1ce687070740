"""Asking a judge: an OpenAI-compatible server, through the network guard, with a secret bound to its host."""

import httpx
import orjson

from actions import NetworkGrants, SecretRefused, Secrets
from actions.credentials import NO_CREDENTIALS, Credentials, of_secret
from actions.guard import GuardedTransport, Resolver, system_resolver
from actions.request import PreparedRequest
from actions.secret import ApiKey, Basic, Bearer
from actions.sender import Sender
from adapters.evaluation.judge_options import Judge
from core.errors import InvalidRequest, Unavailable, UpstreamFailed
from core.ids import PersonaId

_SECONDS = 120.0
_TOKENS = 512
_PAUSE = 10.0


class Judges:
    """Sends questions to judges, to hosts that the settings let this server reach and no others."""

    def __init__(self, secrets: Secrets, grants: NetworkGrants, *, resolver: Resolver = system_resolver) -> None:
        self._secrets = secrets
        self._grants = grants
        self._sender = Sender(GuardedTransport(grants, resolver=resolver), secrets, time_limit=_SECONDS)

    async def choose(self, judge: Judge, persona: str, messages: list[dict[str, str]]) -> str:
        """Return what the judge says.

        Raises:
            SecretRefused: the secret is not for this persona or host.
            Unavailable: the judge is away, or busy.
            InvalidRequest: it refuses what it is asked, or may not be reached.
        """
        url = httpx.URL(f"{judge.url}/chat/completions")
        body = {"model": judge.model, "messages": messages, "temperature": 0, "max_tokens": _TOKENS}
        prepared = PreparedRequest("POST", url, {"Content-Type": "application/json"}, orjson.dumps(body))
        result = await self._sender.send(prepared, self._credentials(judge, persona, url))
        if result.ok:
            return _said(result.text)
        told = f"The judge at {url.host!r} did not answer: {result.text[:300]}"
        if result.trouble or result.repeat_after is not None:
            raise Unavailable(told, code="judge_unavailable", retry_after=result.repeat_after or _PAUSE)
        raise InvalidRequest(told, code="judge_refused")

    async def aclose(self) -> None:
        """Close the client."""
        await self._sender.aclose()

    def _credentials(self, judge: Judge, persona: str, url: httpx.URL) -> Credentials:
        if judge.secret is None:
            return NO_CREDENTIALS
        secret = self._secrets.get(judge.secret, PersonaId(persona), url, self._grants)
        if not isinstance(secret, Bearer | ApiKey | Basic):
            raise SecretRefused(f"The secret {judge.secret!r} is not one that a judge takes. Use a bearer token.")
        return of_secret(secret)


def _said(text: str) -> str:
    try:
        said = orjson.loads(text)["choices"][0]["message"]["content"]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError) as error:
        raise UpstreamFailed(
            "The judge answered in another shape than OpenAI's.", code="judge_unreadable"
        ) from error
    return said if isinstance(said, str) else ""
