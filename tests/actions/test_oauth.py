"""OAuth 2 over real HTTP against a small real service: both grants, and what services get wrong."""

import hashlib
import json
import logging
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx
import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from actions import (
    ActionConfig,
    ActionResult,
    ActionSet,
    Connection,
    ConnectionNeeded,
    Connections,
    ConnectionState,
    Connects,
    Keyring,
    NetworkGrants,
    OAuthClient,
    Seal,
    SecretRefused,
    Secrets,
    SignIn,
    SignInFailed,
    Tokens,
    secret_of,
)
from actions.tables import metadata
from actions.tokens import Held
from core.database import Database
from core.errors import InvalidRequest, NotFound, RepertoryError
from core.ids import PersonaId, PrincipalId
from tests.actions.documents import document, operation, write
from tests.fakes.crm import running_crm
from tests.fakes.oauth import CLIENT_SECRET, OAuthService, running_oauth

pytestmark = pytest.mark.anyio
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


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def service() -> Iterator[OAuthService]:
    with running_oauth() as running:
        yield running


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
        self.database = Database(self.folder / "repertory.db")
        metadata.create_all(self.database.engine)
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


@pytest.fixture
def people(service: OAuthService, tmp_path: Path) -> Iterator[World]:
    world = World(service, tmp_path, "oauth2_authorization_code")
    yield world
    world.database.close()


@pytest.fixture
def machine(service: OAuthService, tmp_path: Path) -> Iterator[World]:
    world = World(service, tmp_path, "oauth2_client_credentials")
    yield world
    world.database.close()


# In the server's own name


@pytest.mark.parametrize("client_auth", ["basic", "basic_plain", "body"])
async def test_a_client_shows_its_secret_in_the_way_the_service_wants_even_with_a_colon_in_it(
    service: OAuthService, tmp_path: Path, client_auth: str
) -> None:
    service.client_auth = client_auth
    if client_auth == "basic_plain":
        service.client_id = "app-of-ours"  # a colon would end the name here
    machine = World(service, tmp_path, "oauth2_client_credentials")

    result = await machine.call()

    assert (":" in service.client_id) is (client_auth != "basic_plain")
    assert ":" in service.client_secret
    assert result.ok
    assert service.calls == [f"Bearer {service.issued[0]}"]
    assert machine.forms("client_credentials")[0]["scope"] == "contacts.read contacts.write"


async def test_a_token_is_fetched_once_for_all_calls_at_the_same_time_and_kept(machine: World) -> None:
    machine.service.delay = 0.1

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(machine.call)
    await machine.call()

    assert len(machine.service.calls) == 9
    assert len(machine.forms("client_credentials")) == 1


async def test_a_token_is_fetched_anew_shortly_before_its_end(machine: World) -> None:
    await machine.call()
    machine.now += 3600 - 61
    await machine.call()
    assert len(machine.forms("client_credentials")) == 1

    machine.now += 2
    await machine.call()

    assert len(machine.forms("client_credentials")) == 2


async def test_a_token_without_an_end_is_kept_until_the_service_refuses_it(machine: World) -> None:
    machine.service.lifetime = None
    await machine.call()
    machine.now += 10**8
    await machine.call()
    assert len(machine.forms("client_credentials")) == 1

    machine.service.end_access()

    assert (await machine.call()).ok
    assert len(machine.forms("client_credentials")) == 2


async def test_a_refused_token_is_renewed_once_and_the_call_made_once_more(machine: World) -> None:
    await machine.call()
    machine.service.end_access()
    attempts: list[int] = []

    async def sending(attempt: int) -> None:
        attempts.append(attempt)

    result = await machine.actions.call("change_me", {}, sending=sending)

    assert (result.ok, attempts) == (True, [1, 2])
    assert machine.service.calls[1:] == [
        f"Bearer {machine.service.issued[0]}",
        f"Bearer {machine.service.issued[1]}",
    ]


async def test_a_service_that_refuses_every_token_is_asked_twice_and_no_more(
    machine: World, tmp_path: Path
) -> None:
    machine.service.planned["/token"] = [
        JSONResponse({"access_token": f"at-of-nobody-{number}", "token_type": "bearer"}) for number in range(9)
    ]

    result = await machine.call()

    assert (result.status, result.ok) == (401, False)
    assert len(machine.service.calls) == 2
    assert "at-of-nobody" not in result.text
    assert "[secret]" in result.text


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (JSONResponse({"access_token": "t" * 20}, status_code=500), "answered with status 500"),
        (JSONResponse(["x"]), "nothing that can be used"),
        (Response("access_token=" + "t" * 20), "nothing that can be used"),
        (Response(b"x" * 100_000), "nothing that can be used"),
        (JSONResponse({"token_type": "bearer"}), "no access token that can be used"),
        (
            JSONResponse({"access_token": "two\r\nlines", "token_type": "bearer"}),
            "no access token that can be used",
        ),
        (JSONResponse({"access_token": "t" * 20, "token_type": "mac"}), "no bearer token"),
        (JSONResponse({"error": "invalid_client"}, status_code=401), "administrator must correct"),
        (
            JSONResponse({"error": "invalid_scope", "error_description": CLIENT_SECRET}, status_code=400),
            "invalid_scope",
        ),
        (JSONResponse({"error": f"no {CLIENT_SECRET}"}), "an unknown error"),
        (JSONResponse({"error": "slow_down", "access_token": "t" * 20}), "slow_down"),
        (RedirectResponse("/me", status_code=307), "answered with status 307"),
    ],
)
async def test_an_answer_of_the_token_endpoint_that_cannot_be_used_is_told_in_words_without_secrets(
    machine: World, answer: Response, said: str
) -> None:
    machine.service.planned["/token"] = [answer]

    with pytest.raises(SignInFailed, match=said) as raised:
        await machine.call()

    assert machine.service.calls == []
    assert not {CLIENT_SECRET, "t" * 20} & set(str(raised.value).split())
    assert "shh:" not in str(raised.value)
    assert (await machine.call()).ok


@pytest.mark.parametrize("expires_in", ["600", 600.5])
async def test_an_end_written_as_text_or_fraction_is_understood(machine: World, expires_in: object) -> None:
    machine.service.lifetime = expires_in  # type: ignore[assignment]  # as services write it
    await machine.call()
    machine.now += 599
    await machine.call()
    assert len(machine.forms("client_credentials")) == 2


async def test_a_token_endpoint_that_stays_silent_ends_in_words(machine: World) -> None:
    machine.service.delay = 30

    with pytest.raises(SignInFailed, match="does not answer"):
        await machine.call()


async def test_the_token_endpoint_is_reached_through_the_network_guard(
    service: OAuthService, tmp_path: Path
) -> None:
    with running_crm() as api:
        secret = secret_of(
            service.fields("oauth2_client_credentials", hosts=[api.host], oauth_hosts=[service.host])
        )
        config = ActionConfig(document=write(tmp_path, ME), server=api.url, secret="app")

        with pytest.raises(SecretRefused, match="unencrypted to '127"):
            ActionSet.load(
                [config],
                root=tmp_path,
                grants=NetworkGrants.parse([api.host]),
                secrets=Secrets({"app": secret}),
                persona=CLERK,
            )
        assert service.forms == {}

    async def resolver(host: str, port: int) -> list[str]:
        return ["169.254.169.254"]

    https = secret_of(
        service.fields(
            "oauth2_client_credentials", token_url="https://login.example/t", oauth_hosts=["login.example"]
        )
    )
    client = OAuthClient(NetworkGrants(), lambda: 0.0, resolver=resolver)
    with pytest.raises(SignInFailed, match="metadata"):
        await client.client_grant(https)  # type: ignore[arg-type]  # of this kind
    await client.aclose()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"token_url": "https://login.example/token"}, "host that neither `hosts` nor `oauth_hosts` lists"),
        ({"token_url": "https://u:p@127.0.0.1/token"}, "no plain"),
        ({"token_url": "ftp://127.0.0.1/token"}, "no plain"),
        ({"revocation_url": "https://login.example/r"}, "`revocation_url` is at a host"),
        ({"authorization_url": "https://login.example/a"}, "`authorization_url` is at a host"),
        ({"client_auth": "none"}, "goes with every `client_auth` but `none`"),
        ({"client_auth": "basic_plain"}, "with a colon"),
        ({"client_secret": None}, "goes with every `client_auth` but `none`"),
        ({"parameters": {"redirect_uri": "https://evil.example"}}, "may not replace"),
        ({"scopes": ["a b"]}, "one word"),
    ],
)
def test_an_app_that_could_send_its_secret_elsewhere_is_refused(
    service: OAuthService, tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(json.dumps({"app": service.fields("oauth2_authorization_code") | change}))

    with pytest.raises(InvalidRequest, match=problem) as raised:
        Secrets.read(path)

    assert CLIENT_SECRET not in str(raised.value)


# In the name of a caller


async def test_a_person_signs_in_once_and_calls_are_made_with_that_account(people: World) -> None:
    connection = await people.connect()

    result = await people.call()

    assert (connection.principal, connection.state) == (ADA, ConnectionState.CONNECTED)
    assert connection.scopes == ("contacts.read", "contacts.write")
    assert result.ok
    assert people.service.calls == [f"Bearer {people.service.issued[0]}"]
    (form,) = people.forms("authorization_code")
    assert form["redirect_uri"] == CALLBACK


async def test_the_address_to_sign_in_at_has_all_that_the_standards_want(people: World) -> None:
    first, second = await people.begin(), await people.begin()

    query = dict(parse_qsl(urlsplit(first.address).query))

    assert query.keys() == {
        *(
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "code_challenge",
            "code_challenge_method",
        )
    }
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert len(query["state"]) >= 43
    assert dict(parse_qsl(urlsplit(second.address).query))["state"] != query["state"]
    kept = people.seal.open("sign-in", first.cookie)
    digest = hashlib.sha256(str(kept["verifier"]).encode()).digest()
    assert query["code_challenge"] == urlsafe_b64encode(digest).decode().rstrip("=")
    assert query["state"] not in first.cookie


async def test_one_callers_account_serves_no_other_caller(people: World) -> None:
    await people.connect(ADA)

    with pytest.raises(ConnectionNeeded):
        await people.call(principal=BOB)
    with pytest.raises(ConnectionNeeded, match="nobody does"):
        await people.call(principal=None)

    assert people.service.calls == []
    connect = await people.actions.connect_first("read_me", BOB)
    assert connect is not None
    assert connect.principal == BOB
    assert await people.actions.connect_first("read_me", ADA) is None


async def test_a_link_is_given_again_while_it_is_young_and_works_once(people: World) -> None:
    sign_in = await people.begin()
    assert (await people.begin()).connect.id == sign_in.connect.id
    answer, cookies = await signed_in(sign_in), {sign_in.cookie_name: sign_in.cookie}
    await people.connections.finish(answer, cookies)

    with pytest.raises(NotFound, match="used already"):
        await people.connections.finish(answer, cookies)
    with pytest.raises(NotFound, match="used already"):
        await people.connections.begin(sign_in.connect.id, CALLBACK)

    assert len(people.forms("authorization_code")) == 1
    assert (await people.begin()).connect.id != sign_in.connect.id


async def test_a_link_that_nobody_used_in_time_opens_nothing(people: World) -> None:
    sign_in = await people.begin()
    answer = await signed_in(sign_in)
    people.now += 901

    with pytest.raises(NotFound):
        await people.connections.finish(answer, {sign_in.cookie_name: sign_in.cookie})

    assert people.service.issued == []


async def test_an_answer_is_taken_only_from_the_browser_that_began_and_with_its_own_state(people: World) -> None:
    mine, theirs = await people.begin(ADA), await people.begin(BOB)
    answer = await signed_in(mine)

    for cookies in (
        {},
        {mine.cookie_name: theirs.cookie},
        {mine.cookie_name: "x"},
        {theirs.cookie_name: theirs.cookie},
    ):
        with pytest.raises(NotFound, match="no sign-in that this browser has begun"):
            await people.connections.finish(answer, cookies)
    with pytest.raises(NotFound, match="no sign-in"):
        await people.connections.finish([("code", "x")], {mine.cookie_name: mine.cookie})

    assert people.service.issued == []
    await people.connections.finish(answer, {mine.cookie_name: mine.cookie})


async def test_a_code_of_another_sign_in_is_refused_by_its_verifier(people: World) -> None:
    mine, theirs = await people.begin(ADA), await people.begin(BOB)
    stolen = dict(await signed_in(theirs)) | {"state": dict(await signed_in(mine))["state"]}

    with pytest.raises(SignInFailed, match="no longer accepts the grant"):
        await people.connections.finish(list(stolen.items()), {mine.cookie_name: mine.cookie})

    assert await people.connections.list(None) == []


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
async def test_an_answer_with_a_parameter_twice_is_refused(people: World, name: str) -> None:
    sign_in = await people.begin()
    answer = [*await signed_in(sign_in), (name, "a"), (name, "b")]

    with pytest.raises(InvalidRequest, match=f"{name}' more than once"):
        await people.connections.finish(answer, {sign_in.cookie_name: sign_in.cookie})


@pytest.mark.parametrize(
    ("set_here", "sent", "fits"),
    [
        (None, None, True),
        (None, "http://127.0.0.1:PORT", True),
        (None, "https://evil.example", False),
        (None, "no url at all\x00", False),
        ("https://id.example", "https://id.example", True),
        ("https://id.example", "https://id.example/", False),
        ("https://id.example", None, False),
    ],
)
async def test_who_answers_is_checked_where_it_is_told_or_expected(
    service: OAuthService, tmp_path: Path, set_here: str | None, sent: str | None, fits: bool
) -> None:
    people = World(service, tmp_path, "oauth2_authorization_code", {"issuer": set_here})
    service.issuer = sent.replace("PORT", service.url.rpartition(":")[2]) if sent else None

    if fits:
        await people.connect()
    else:
        with pytest.raises(InvalidRequest, match="another service"):
            await people.connect()
        assert service.forms == {}


async def test_a_person_who_says_no_connects_nothing(people: World) -> None:
    people.service.denies = True

    with pytest.raises(SignInFailed, match="did not allow it: access_denied"):
        await people.connect()

    assert people.service.forms == {}


async def test_what_was_granted_is_kept_where_it_is_less_than_was_asked(people: World) -> None:
    people.service.granted_scope = "contacts.read,profile"

    assert (await people.connect()).scopes == ("contacts.read", "profile")


async def test_tokens_are_renewed_before_their_end_and_the_new_refresh_token_replaces_the_old(
    people: World,
) -> None:
    await people.connect()

    for _ in range(3):
        people.now += 3600
        assert (await people.call()).ok

    used = [form["refresh_token"] for form in people.forms("refresh_token")]
    assert used == [people.service.issued[1], people.service.issued[3], people.service.issued[5]]


async def test_a_refresh_token_stays_where_the_service_gives_no_other(people: World) -> None:
    people.service.rotates = False
    await people.connect()

    for _ in range(2):
        people.now += 3600
        assert (await people.call()).ok

    used = [form["refresh_token"] for form in people.forms("refresh_token")]
    assert used == [people.service.issued[1]] * 2


async def test_many_refused_calls_renew_once_and_all_succeed(people: World) -> None:
    await people.connect()
    people.service.delay = 0.1
    people.service.end_access()
    results: list[ActionResult] = []

    async def call() -> None:
        results.append(await people.call())

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(call)

    assert [result.ok for result in results] == [True] * 8
    assert len(people.forms("refresh_token")) == 1
    assert await people.state() == (ConnectionState.CONNECTED, None)


class GatedTokens(Tokens):
    """A store whose first reader is held up with what it has read, until the gate opens."""

    def __init__(self, world: World) -> None:
        super().__init__(world.database, world.seal, world.clock)
        self.read, self.gate = threading.Event(), threading.Event()

    def open(self, principal: PrincipalId, secret: str, app: str) -> Held | None:
        held = super().open(principal, secret, app)
        if not self.read.is_set():
            self.read.set()
            assert self.gate.wait(10)
        return held


async def test_who_comes_to_a_renewal_too_late_takes_what_it_brought(people: World) -> None:
    await people.connect()
    people.now += 3600
    people.tokens = tokens = GatedTokens(people)
    people.open()
    late: list[ActionResult] = []

    async def call() -> None:
        late.append(await people.call())

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await anyio.to_thread.run_sync(tokens.read.wait)
        assert (await people.call()).ok
        tokens.gate.set()

    assert [result.ok for result in late] == [True]
    assert len(people.forms("refresh_token")) == 1


async def test_a_caller_who_leaves_in_mid_renewal_loses_no_tokens(people: World) -> None:
    await people.connect()
    people.service.delay = 0.2
    people.now += 3600

    async with anyio.create_task_group() as group:
        group.start_soon(people.call)
        while not people.forms("refresh_token"):
            await anyio.sleep(0.005)
        group.cancel_scope.cancel()

    people.service.delay = 0
    assert (await people.call()).ok
    assert len(people.forms("refresh_token")) == 1


async def test_a_grant_that_has_ended_breaks_the_connection_and_asks_for_a_new_one(people: World) -> None:
    await people.connect()
    people.service.end_grants()

    with pytest.raises(ConnectionNeeded, match="connection has ended"):
        await people.call()

    assert await people.state() == (ConnectionState.BROKEN, "The service no longer accepts it.")
    asked = len(people.forms("refresh_token"))
    with pytest.raises(ConnectionNeeded):
        await people.call()
    assert len(people.forms("refresh_token")) == asked
    await people.connect()
    assert (await people.call()).ok


async def test_an_end_without_a_refresh_token_breaks_the_connection(people: World) -> None:
    people.service.gives_refresh = False
    await people.connect()
    people.now += 3600

    with pytest.raises(ConnectionNeeded):
        await people.call()

    state, reason = await people.state()
    assert state is ConnectionState.BROKEN
    assert "nothing to renew it with" in str(reason)


async def test_a_token_endpoint_that_is_down_for_a_moment_breaks_nothing(people: World) -> None:
    await people.connect()
    people.now += 3600
    people.service.planned["/token"] = [Response(status_code=503)]

    with pytest.raises(SignInFailed, match="status 503"):
        await people.call()

    assert await people.state() == (ConnectionState.CONNECTED, None)
    assert (await people.call()).ok


async def test_disconnecting_gives_the_tokens_back_and_forgets_them(people: World) -> None:
    await people.connect()

    assert await people.connections.disconnect(ADA, "app")

    hints = [form["token_type_hint"] for form in people.service.forms["/revoke"]]
    assert hints == ["refresh_token", "access_token"]
    assert (people.service.access, people.service.refresh) == ({}, {})
    with pytest.raises(ConnectionNeeded):
        await people.call()
    with pytest.raises(NotFound):
        await people.connections.disconnect(ADA, "app")


async def test_disconnecting_forgets_also_where_the_service_does_not_help(people: World) -> None:
    await people.connect()
    people.service.planned["/revoke"] = [Response(status_code=503), Response(status_code=503)]

    assert not await people.connections.disconnect(ADA, "app")

    assert await people.connections.list(None) == []


async def test_who_is_no_more_uses_connects_and_finishes_nothing(people: World) -> None:
    await people.connect()
    begun = await people.begin()
    link = await people.connections.request(ADA, CLERK, "app")
    people.is_gone = lambda one: one == ADA

    answer = await signed_in(begun)
    for attempt in (
        people.call(),
        people.connections.missing(ADA, CLERK, "app"),
        people.connections.request(ADA, CLERK, "app"),
        people.connections.begin(link.id, CALLBACK),
        people.connections.finish(answer, {begun.cookie_name: begun.cookie}),
    ):
        with pytest.raises(ConnectionNeeded, match="'key:ada' was revoked"):
            await attempt

    assert people.service.calls == []
    assert len(people.forms("authorization_code")) == 1
    await people.connect(BOB)
    assert (await people.call(principal=BOB)).ok


async def test_what_came_while_its_owner_went_goes_back_at_once(people: World) -> None:
    sign_in = await people.begin()
    people.is_gone = lambda _: bool(people.forms("authorization_code"))

    with pytest.raises(ConnectionNeeded):
        await people.connections.finish(await signed_in(sign_in), {sign_in.cookie_name: sign_in.cookie})

    assert await people.connections.list(None) == []
    assert (people.service.access, people.service.refresh) == ({}, {})


async def test_ending_all_of_a_principal_tells_what_a_service_did_not_take_back(people: World) -> None:
    await people.connect()
    await people.connect(BOB)
    people.service.planned["/revoke"] = [Response(status_code=503), Response(status_code=503)]

    assert await people.connections.end(ADA) == ["app"]
    assert [one.principal for one in await people.connections.list(None)] == [BOB]
    assert await people.connections.end(BOB) == []
    assert await people.connections.end(BOB) == []
    assert await people.connections.list(None) == []


async def test_what_is_renewed_while_its_owner_disconnects_goes_back_at_once(people: World) -> None:
    await people.connect()
    people.now += 3600
    people.service.delay = 0.2
    failures: list[RepertoryError] = []

    async def call() -> None:
        try:
            await people.call()
        except RepertoryError as error:
            failures.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        while not people.forms("refresh_token"):
            await anyio.sleep(0.005)
        await people.connections.disconnect(ADA, "app")

    assert [type(one) for one in failures] == [ConnectionNeeded]
    assert await people.connections.list(None) == []
    assert (people.service.access, people.service.refresh) == ({}, {})


# At rest


async def test_a_connection_outlives_a_restart_and_the_database_alone_reveals_nothing(people: World) -> None:
    await people.connect()
    people.open()

    assert (await people.call()).ok

    files = b"".join(path.read_bytes() for path in people.folder.glob("repertory.db*"))
    assert b"key:ada" in files
    for token in people.service.issued:
        assert token.encode() not in files
    assert (people.folder / "oauth.keys").stat().st_mode & 0o777 == 0o600


async def test_without_its_key_file_a_connection_is_broken_in_words(people: World) -> None:
    await people.connect()
    (people.folder / "oauth.keys").unlink()
    people.seal = Seal(people.folder / "oauth.keys")
    people.tokens = Tokens(people.database, people.seal, people.clock)
    people.open()

    with pytest.raises(ConnectionNeeded):
        await people.call()

    assert await people.state() == (ConnectionState.BROKEN, "The server no longer has the key to it.")
    await people.connect()
    assert (await people.call()).ok


async def test_a_row_copied_to_another_caller_opens_nothing(people: World) -> None:
    await people.connect()
    with people.database.write() as connection:
        connection.exec_driver_sql("UPDATE action_connections SET principal = 'key:bob'")

    with pytest.raises(ConnectionNeeded):
        await people.call(principal=BOB)

    assert people.service.calls == []
    assert await people.state(BOB) == (ConnectionState.BROKEN, "It was written for somebody else.")


async def test_tokens_of_one_app_are_not_sent_to_the_endpoint_of_another(people: World) -> None:
    await people.connect()
    people.fields = {"token_url": f"{people.service.url}/other"}
    people.open()

    with pytest.raises(ConnectionNeeded):
        await people.call()

    assert await people.state() == (ConnectionState.BROKEN, "The app at the service was changed.")


async def test_a_new_key_seals_all_anew_and_the_old_one_opens_nothing_more(people: World) -> None:
    await people.connect(ADA)
    await people.connect(BOB)
    keys = people.folder / "oauth.keys"
    old = keys.read_text()

    assert people.tokens.rotate() == 2

    assert len(keys.read_text().split()) == 1
    assert keys.read_text() != old
    assert keys.stat().st_mode & 0o777 == 0o600
    people.tokens = Tokens(people.database, Seal(keys), people.clock)
    people.open()
    assert (await people.call(principal=ADA)).ok
    assert (await people.call(principal=BOB)).ok


async def test_a_rotation_that_broke_off_leaves_keys_that_open_everything(people: World) -> None:
    await people.connect()
    people.seal.put_new_key_first()

    people.seal = Seal(people.folder / "oauth.keys")
    people.tokens = Tokens(people.database, people.seal, people.clock)
    people.open()

    assert (await people.call()).ok
    assert people.tokens.rotate() == 1


# Nowhere to be seen


async def test_tokens_and_client_secrets_stand_in_no_log_result_error_or_representation(
    people: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sign_in = await people.begin()
    answer = await signed_in(sign_in)
    mark = len(caplog.records)
    shown: list[object] = [sign_in]
    shown.append(await people.connections.finish(answer, {sign_in.cookie_name: sign_in.cookie}))
    shown.append(await people.call())
    people.service.end_access()
    shown.append(await people.call("change_me"))
    grant = await people.connections.grant(ADA, CLERK, "app")
    shown += [
        grant,
        people.secrets,
        people.secrets.by_name,
        people.actions.operations,
        await people.connections.list(None),
    ]
    people.service.end_grants()
    with pytest.raises(ConnectionNeeded) as ended:
        await people.call()
    shown += [ended.value, ended.getrepr(style="short")]

    everything = "\n".join(
        [*(repr(one) for one in shown), *(record.getMessage() for record in caplog.records[mark:])]
    )
    canaries = {CLIENT_SECRET, dict(answer)["code"], dict(answer)["state"], *people.service.issued}
    assert len(canaries) >= 7
    assert [one for one in canaries if one in everything] == []
    assert everything.count("[secret]") >= 2
