"""From the name of a secret to what one request carries. Knows the kinds; must never know what is called.

Tokens in the server's own name are kept in memory until shortly before their end.
"""

from dataclasses import dataclass
from functools import partial

import httpx

from actions.addresses import NetworkGrants
from actions.connections import Connections
from actions.connects import Connect
from actions.credentials import Credentials, of_secret, of_token
from actions.errors import ConnectionNeeded
from actions.oauth import Grant, OAuthClient
from actions.secret import AuthorizationCode, ClientCredentials, SentSecret
from actions.single_flight import SingleFlight
from actions.vault import Secrets
from core.clock import Clock, system_clock
from core.ids import PersonaId, PrincipalId


@dataclass(frozen=True, slots=True)
class SecretUse:
    """Who uses which secret where.

    Attributes:
        name: of the secret.
        url: the server that is called.
        principal: in whose name, if anybody's.
    """

    name: str
    persona: PersonaId
    url: httpx.URL
    principal: PrincipalId | None = None


class Keyring:
    """Hands out credentials.

    Args:
        secrets: the server's secrets.
        grants: private hosts that the settings allow.
        oauth: talks to token endpoints.
        connections: accounts of callers, where they can be connected.
        clock: the time.
    """

    def __init__(
        self,
        secrets: Secrets,
        grants: NetworkGrants,
        oauth: OAuthClient,
        connections: Connections | None = None,
        *,
        clock: Clock = system_clock,
    ) -> None:
        self.secrets = secrets
        self._grants = grants
        self._oauth = oauth
        self._connections = connections
        self._clock = clock
        self._own: dict[str, Grant] = {}
        self._flights: SingleFlight[Grant] = SingleFlight()

    def check(self, use: SecretUse) -> None:
        """Check that a secret may be used.

        Raises:
            SecretRefused: it may not.
        """
        self._secret(use)

    async def credentials(self, use: SecretUse) -> Credentials:
        """Return what a request carries.

        Raises:
            SecretRefused: the secret may not be used here.
            ConnectionNeeded: the caller has not connected an account.
            SignInFailed: a token endpoint refused, or did not answer.
        """
        secret = self._secret(use)
        if isinstance(secret, ClientCredentials | AuthorizationCode):
            return of_token((await self._grant(use, secret, None)).access_token)
        return of_secret(secret)

    async def renewed(self, use: SecretUse, used: Credentials) -> Credentials | None:
        """Return other credentials in the place of those that a service has refused; None where there are none.

        Raises:
            ConnectionNeeded: the caller's connection has ended.
            SignInFailed: a token endpoint refused, or did not answer.
        """
        secret = self._secret(use)
        if used.token is None or not isinstance(secret, ClientCredentials | AuthorizationCode):
            return None
        return of_token((await self._grant(use, secret, used.token)).access_token)

    async def missing(self, use: SecretUse) -> Connect | None:
        """Return what the caller must connect first; None where nothing is missing.

        Raises:
            ConnectionNeeded: it takes an account, and there is nobody whose it could be.
            SecretRefused: the secret may not be used here.
        """
        secret = self._secret(use)
        if not isinstance(secret, AuthorizationCode):
            return None
        connections, principal = self._people(use)
        return await connections.missing(principal, use.persona, use.name)

    def _secret(self, use: SecretUse) -> SentSecret:
        return self.secrets.get(use.name, use.persona, use.url, self._grants)

    async def _grant(
        self, use: SecretUse, secret: ClientCredentials | AuthorizationCode, stale: str | None
    ) -> Grant:
        if isinstance(secret, ClientCredentials):
            kept = self._kept(use.name, stale)
            return kept or await self._flights.run(use.name, partial(self._fetched, use.name, secret, stale))
        connections, principal = self._people(use)
        return await connections.grant(principal, use.persona, use.name, stale=stale)

    async def _fetched(self, name: str, secret: ClientCredentials, stale: str | None) -> Grant:
        if (kept := self._kept(name, stale)) is not None:  # somebody was faster
            return kept
        grant = await self._oauth.client_grant(secret)
        self.secrets.learn(grant.access_token)
        self._own[name] = grant
        return grant

    def _kept(self, name: str, stale: str | None) -> Grant | None:
        grant = self._own.get(name)
        usable = grant is not None and grant.access_token != stale and grant.is_fresh(self._clock())
        return grant if usable else None

    def _people(self, use: SecretUse) -> tuple[Connections, PrincipalId]:
        if self._connections is None or use.principal is None:
            raise ConnectionNeeded(
                f"The secret {use.name!r} stands for the account of the one who calls, and here nobody does. Ask "
                "through a running server, with a key of your own."
            )
        return self._connections, use.principal
