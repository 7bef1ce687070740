"""A server's actions with OAuth 2 over real HTTP against a small real service, and a person who signs in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx

from actions import (
    ActionConfig,
    ActionResult,
    ActionSet,
    Connection,
    Connections,
    ConnectionState,
    Connects,
    Keyring,
    NetworkGrants,
    OAuthClient,
    Seal,
    Secrets,
    SignIn,
    Tokens,
    secret_of,
)
from core.ids import PersonaId, PrincipalId
from tests.actions.documents import document, operation, write
from tests.databases import new_database
from tests.fakes.oauth import OAuthService

ADA, BOB = PrincipalId("key:ada"), PrincipalId("key:bob")
CLERK = PersonaId("clerk")
CALLBACK = "http://localhost:8000/api/oauth/callback"
ME = document(
    {
        "/me": {
            "get": operation(operationId="read_me"),
            "post": operation(operationId="change_me"),
        }
    }
)


@dataclass
class World:
    """A server's actions without its HTTP: one persona whose operations need the secret `app`."""

    service: OAuthService
    folder: Path
    kind: str
    fields: dict[str, object] = field(default_factory=dict)
    now: float = 1_800_000_000.0
    is_gone: Callable[[PrincipalId], bool] = lambda _: False

    def __post_init__(self) -> None:
        self.database = new_database(self.folder / "repertory.db")
        self.seal = Seal(self.folder / "oauth.keys")
        self.tokens = Tokens(self.database, self.seal, self.clock)
        self.open()

    def open(self) -> None:
        """Start with nothing in memory, as after a restart."""
        grants = NetworkGrants.parse([self.service.host])
        self.secrets = Secrets({"app": secret_of(self.service.fields(self.kind, **self.fields))})
        oauth = OAuthClient(grants, self.clock, time_limit=2)
        connects = Connects(self.database, self.clock)
        self.connections = Connections(
            self.secrets, self.tokens, connects, self.seal, oauth, is_gone=lambda one: self.is_gone(one)
        )
        keyring = Keyring(self.secrets, grants, oauth, self.connections, clock=self.clock)
        config = ActionConfig(document=write(self.folder, ME), server=self.service.url, secret="app")
        self.actions = ActionSet.load(
            [config], root=self.folder, grants=grants, secrets=self.secrets, persona=CLERK, keyring=keyring
        )

    def clock(self) -> float:
        return self.now

    async def call(self, name: str = "read_me", principal: PrincipalId | None = ADA) -> ActionResult:
        return await self.actions.call(name, {}, principal=principal)

    async def begin(self, principal: PrincipalId = ADA) -> SignIn:
        connect = await self.connections.request(principal, CLERK, "app")
        return await self.connections.begin(connect.id, CALLBACK)

    async def connect(self, principal: PrincipalId = ADA) -> Connection:
        sign_in = await self.begin(principal)
        return await self.connections.finish(await signed_in(sign_in), {sign_in.cookie_name: sign_in.cookie})

    def forms(self, grant_type: str) -> list[dict[str, str]]:
        return [one for one in self.service.forms.get("/token", ()) if one.get("grant_type") == grant_type]

    async def state(self, principal: PrincipalId = ADA) -> tuple[ConnectionState, str | None]:
        (found,) = await self.connections.list(principal)
        return found.state, found.reason


async def signed_in(sign_in: SignIn) -> list[tuple[str, str]]:
    """Sign in at the service as a person does; return what it sends the browser back with."""
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(sign_in.address)
    assert answer.status_code == 302, answer.text
    return parse_qsl(urlsplit(answer.headers["location"]).query)
