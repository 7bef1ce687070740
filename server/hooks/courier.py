"""Telling the sender of a job what came of it: one signed POST through the network guard."""

from dataclasses import dataclass

import httpx

from actions import NetworkGrants, SecretRefused, Secrets
from actions.credentials import NO_CREDENTIALS
from actions.guard import GuardedTransport, Resolver, system_resolver
from actions.request import PreparedRequest
from actions.sender import Sender
from core.clock import Clock
from core.ids import PersonaId
from server.hooks.job import Callback
from server.hooks.signature import DELIVERY, SIGNATURE, TIMESTAMP, signed

_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Told:
    """How a try ended.

    Attributes:
        ok: the receiver took it.
        over: trying again makes no sense.
    """

    ok: bool
    status: int | None = None
    over: bool = False


class Courier:
    """Signs and sends callbacks, to hosts that the hook's secret is bound to and no others."""

    def __init__(
        self, secrets: Secrets, grants: NetworkGrants, clock: Clock, *, resolver: Resolver = system_resolver
    ) -> None:
        self._secrets = secrets
        self._grants = grants
        self._clock = clock
        self._sender = Sender(GuardedTransport(grants, resolver=resolver), secrets, time_limit=_SECONDS)

    def key(self, secret: str, persona: PersonaId, url: str | None = None) -> bytes:
        """Return the key that signs for `persona`, and callbacks to `url`.

        Raises:
            SecretRefused: there is none, or it is not for this persona or host.
        """
        return self._secrets.signing_key(secret, persona, httpx.URL(url) if url else None, self._grants)

    async def tell(self, callback: Callback, url: str, secret: str, persona: PersonaId) -> Told:
        """Send a callback once."""
        try:
            key = self.key(secret, persona, url)
        except SecretRefused:
            return Told(ok=False)  # it may be bound again before the last try
        now, body = int(self._clock()), callback.body.encode()
        headers = {
            "Content-Type": "application/json",
            DELIVERY: callback.id,
            TIMESTAMP: str(now),
            SIGNATURE: signed(key, now, body),
        }
        result = await self._sender.send(PreparedRequest("POST", httpx.URL(url), headers, body), NO_CREDENTIALS)
        return Told(result.ok, result.status, over=result.status == httpx.codes.GONE)

    async def aclose(self) -> None:
        """Close the client."""
        await self._sender.aclose()
