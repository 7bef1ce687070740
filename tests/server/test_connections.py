"""Accounts of callers: asked for in a chat, connected in a browser, used, renewed, disconnected, never shown."""

import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import anyio
import httpx
import pytest
import yaml

from actions import ConnectionNeeded
from core.database import Database
from core.ids import PersonaId, PrincipalId
from core.principal import Scope
from server.keys.store import Keys
from tests.fakes.engine import Reply
from tests.fakes.oauth import CLIENT_SECRET, OAuthService, running_oauth
from tests.server.conftest import Gateway, Start, text_of

pytestmark = pytest.mark.anyio
DOCUMENT = """\
openapi: 3.1.0
info: {title: Account, version: "1"}
paths:
  /me:
    get: {operationId: read_me, responses: {"200": {description: yours}}}
    delete: {operationId: close_me, responses: {"200": {description: gone}}}
"""
CLERK = """\
id: clerk
name: Clerk
instructions: You keep accounts.
actions:
  - document: account.yaml
    server: URL
    secret: app
calling: CALLING
"""
LINK = re.compile(r"http://localhost:8000(/api/oauth/start\?connect=conn-[0-9a-z]{24})\n")
INCLUDE = {"repertory": {"include": True}}


@pytest.fixture
def service() -> Iterator[OAuthService]:
    with running_oauth() as running:
        yield running


@dataclass
class Office:
    """A gateway with a clerk who needs the caller's account."""

    gateway: Gateway
    service: OAuthService
    folder: Path

    def key(self, name: str = "ada", *scopes: Scope) -> str:
        return self.gateway.secret(name, *(scopes or (Scope.CHAT,)))

    def http(self, name: str = "ada", *scopes: Scope) -> httpx.AsyncClient:
        return self.gateway.http(authorization=f"Bearer {self.key(name, *scopes)}")

    async def ask(self, *messages: str, name: str = "ada", **fields: object) -> str:
        answer = await self.gateway.ask("clerk", *messages, key=self.key(name), **fields)
        return answer.choices[0].message.content or ""

    async def visit(self, path: str, *, browser: httpx.AsyncClient | None = None) -> httpx.Response:
        """Open a link as a person does, sign in at the service, and return the page at the end."""
        async with browser or self.gateway.http() as here, httpx.AsyncClient() as there:
            page = await here.get(path)
            assert page.status_code == 200, page.text
            (address,) = re.findall(r'href="([^"]+)"', page.text)
            back = await there.get(unescape(address))
            assert back.status_code == 302, back.text
            return await here.get(back.headers["location"])

    async def connect(self, name: str = "ada") -> None:
        async with self.http(name) as http:
            asked = await http.post("/api/oauth/connections", json={"persona": "clerk", "secret": "app"})
        assert asked.status_code == 200, asked.text
        assert (await self.visit(asked.json()["url"])).status_code == 200

    async def connections(self, name: str = "ada", *scopes: Scope, **query: str) -> list[tuple[str, str]]:
        async with self.http(name, *scopes) as http:
            body = (await http.get("/api/oauth/connections", params=query)).json()
        return [(one["principal"], one["state"]) for one in body["data"]]


@pytest.fixture(params=["guided"])
async def office(
    start: Start, service: OAuthService, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Office]:
    (tmp_path / "account.yaml").write_text(DOCUMENT)
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text(yaml.safe_dump({"app": service.fields("oauth2_authorization_code", personas=["clerk"])}))
    persona = CLERK.replace("URL", service.url).replace("CALLING", request.param)
    settings = {"private_hosts": service.host, "secrets_file": secrets, "transcripts": "content"}
    async with start({"clerk": persona}, **settings) as gateway:
        assert gateway.services.personas.problems == ()
        yield Office(gateway, service, tmp_path)


native = pytest.mark.parametrize("office", ["native"], indirect=True)


async def test_a_caller_without_account_gets_a_link_and_after_signing_in_the_answer(office: Office) -> None:
    office.gateway.engine.will("read_me")
    answer = await office.gateway.ask("clerk", "Who am I?", key=office.key(), extra_body=INCLUDE)
    text = answer.choices[0].message.content or ""
    link = LINK.search(text)
    assert text.startswith("For this I need your account at 127.0.0.1. Open this link, sign in and allow it")
    assert "once, within 15 minutes" in text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model_extra is not None
    assert answer.model_extra["repertory"]["steps"][0]["state"] == "connect"
    assert link is not None
    assert office.service.calls == []

    page = await office.visit(link[1])
    office.gateway.engine.will("read_me", "none", "You are Ada.")

    assert "Your account at 127.0.0.1" in page.text
    assert await office.ask("Who am I?") == "You are Ada."
    assert office.service.calls == [f"Bearer {office.service.issued[0]}"]
    told = office.gateway.engine.requests[-1]["messages"][-1]["content"]
    assert "Bearer [secret]" in told


@native
@pytest.mark.parametrize("stream", [True, False])
async def test_a_native_call_without_account_gets_the_link_too(office: Office, stream: bool) -> None:
    office.gateway.engine.will(Reply(tool_calls=(("read_me", "{}"),)))
    key = office.key()
    if stream:
        create = office.gateway.openai(key).chat.completions.create
        chunks = [
            chunk
            async for chunk in await create(
                model="clerk", messages=[{"role": "user", "content": "Who am I?"}], stream=True
            )
        ]
        text = text_of(chunks)
    else:
        text = await office.ask("Who am I?")
    assert LINK.search(text)


async def test_a_consequential_call_waits_for_the_account_before_it_waits_for_approval(office: Office) -> None:
    office.gateway.engine.will("close_me")
    link = LINK.search(await office.ask("Close my account"))
    assert link is not None
    assert office.gateway.services.approvals.list() == []
    await office.visit(link[1])
    office.gateway.engine.will("close_me")
    waiting = await office.ask("Close my account")
    assert "needs a person's approval" in waiting
    (approval,) = office.gateway.services.approvals.list()
    async with office.gateway.admin() as admin:
        await admin.post(f"/api/approvals/{approval.id}", json={"decision": "approve"})
        principal = {"principal": "key:ada"}
        assert (await admin.delete("/api/oauth/connections/app", params=principal)).json()["revoked"]

    again = LINK.search(await office.ask("Close my account"))  # approved, but the account is gone
    assert again is not None
    assert office.gateway.services.approvals.get(approval.id).state.value == "approved"
    await office.visit(again[1])
    office.gateway.engine.will("It is closed.")

    assert await office.ask("Close my account") == "It is closed."
    assert office.gateway.services.approvals.get(approval.id).state.value == "done"
    assert len(office.service.calls) == 1


async def test_an_account_that_was_withdrawn_is_asked_for_again_at_once(office: Office) -> None:
    await office.connect()
    office.service.end_grants()
    office.gateway.engine.will("read_me")

    assert LINK.search(await office.ask("Who am I?"))
    assert await office.connections() == [("key:ada", "broken")]


async def test_callers_without_a_key_have_no_account_and_get_no_link(office: Office) -> None:
    office.gateway.engine.will("read_me")

    answer = await office.gateway.ask("clerk", "Who am I?")

    text = answer.choices[0].message.content or ""
    assert "with a key of your own" in text
    assert "/api/oauth" not in text
    assert office.service.calls == []


async def test_each_caller_sees_and_ends_only_the_own_account_and_an_administrator_all(office: Office) -> None:
    await office.connect("ada")
    await office.connect("bob")

    assert await office.connections("ada") == [("key:ada", "connected")]
    assert await office.connections("boss", Scope.ADMIN) == [("key:ada", "connected"), ("key:bob", "connected")]
    assert await office.connections("boss", Scope.ADMIN, principal="key:bob") == [("key:bob", "connected")]
    async with office.http("ada") as ada:
        path = "/api/oauth/connections"
        assert (await ada.get(path, params={"principal": "key:bob"})).status_code == 403
        assert (await ada.delete(f"{path}/app", params={"principal": "key:bob"})).status_code == 403
        assert (await ada.delete(f"{path}/app")).json() == {"secret": "app", "deleted": True, "revoked": True}
        assert (await ada.delete(f"{path}/app")).status_code == 404
    assert await office.connections("boss", Scope.ADMIN) == [("key:bob", "connected")]


async def test_revoking_a_key_ends_what_its_holder_has_connected_and_nobody_elses(office: Office) -> None:
    await office.connect("ada")
    await office.connect("bob")
    async with office.http("ada") as ada:
        asked = await ada.post("/api/oauth/connections", json={"persona": "clerk", "secret": "app"})
    kept = set(office.service.issued[2:])

    async with office.http("boss", Scope.ADMIN) as boss:
        revoked = await boss.delete("/api/keys/ada")

    assert (revoked.status_code, revoked.json()["tokens_left"]) == (200, [])
    assert {*office.service.access, *office.service.refresh} == kept  # ada's were given back
    assert await office.connections("boss", Scope.ADMIN) == [("key:bob", "connected")]
    async with office.gateway.http() as browser:
        page = await browser.get(asked.json()["url"])
    assert page.status_code == 403
    assert "was revoked" in page.text
    office.gateway.engine.will("read_me", "{}", "You are Bob.")
    assert await office.ask("Who am I?", name="bob") == "You are Bob."


async def test_an_account_is_used_no_more_from_the_moment_at_which_another_program_revokes_the_key(
    office: Office,
) -> None:
    """The command line writes into the same database; an answer may be under way."""
    await office.connect("ada")
    services = office.gateway.services
    with closing(Database(services.settings.database_path)) as database:
        Keys(database, services.clock).revoke("ada")

    with anyio.fail_after(10):
        while not services.keys.live.is_gone(PrincipalId("key:ada")):
            await anyio.sleep(0.01)

    with pytest.raises(ConnectionNeeded):
        await services.connections.grant(PrincipalId("key:ada"), PersonaId("clerk"), "app")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"persona": "clerk", "secret": "nothing"}, 403, "secret_refused"),
        ({"persona": "plain", "secret": "app"}, 403, "secret_refused"),
        ({"persona": "nobody", "secret": "app"}, 404, "model_not_found"),
        ({"persona": "clerk"}, 400, "missing_required_parameter"),
        ({"persona": "clerk", "secret": "app", "principal": "key:bob"}, 400, "unknown_parameter"),
    ],
)
async def test_a_link_is_asked_for_only_where_the_secret_is_the_personas(
    office: Office, body: dict[str, str], status: int, code: str
) -> None:
    async with office.http() as http:
        answer = await http.post("/api/oauth/connections", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_the_first_page_says_who_gains_what_loads_nothing_and_sends_nobody_anywhere(office: Office) -> None:
    async with office.http("o.hara") as http, office.gateway.http() as browser:
        asked = (await http.post("/api/oauth/connections", json={"persona": "clerk", "secret": "app"})).json()
        page = await browser.get(asked["url"], headers={"sec-fetch-site": "cross-site"} | NAVIGATES)

    assert page.status_code == 200
    assert "whoever holds the key <b>o.hara</b> acts there with your account" in page.text
    assert "<b>clerk</b>" in page.text
    assert "contacts.read, contacts.write" in page.text
    assert page.text.count("http") == page.text.count(office.service.url) + 1  # the registered address inside it
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    cookie = page.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/api/oauth/callback" in cookie


NAVIGATES = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/oauth/start",
        "/api/oauth/start?connect=conn-000000000000000000000000",
        "/api/oauth/callback",
        "/api/oauth/callback?state=x&code=y",
        "/api/oauth/callback?error=<script>&state=x",
        "/api/oauth/callback?state=x&code=y&next=https://evil.example&redirect_uri=https://evil.example",
    ],
)
async def test_what_fits_nothing_is_answered_by_a_page_that_leads_nowhere(office: Office, path: str) -> None:
    async with office.gateway.http() as browser:
        page = await browser.get(path)

    assert page.status_code == 404
    assert "Nothing was connected" in page.text
    assert "location" not in page.headers
    assert "evil" not in page.text
    assert "<script" not in page.text


async def test_the_address_to_come_back_to_is_the_public_one_and_its_cookie_is_for_https_alone(
    start: Start, service: OAuthService, tmp_path: Path
) -> None:
    (tmp_path / "account.yaml").write_text(DOCUMENT)
    app = service.fields("oauth2_authorization_code", scopes=["<i>all"])
    (tmp_path / "secrets.yaml").write_text(yaml.safe_dump({"app": app}))
    persona = CLERK.replace("URL", service.url).replace("CALLING", "guided")
    settings = {"private_hosts": service.host, "secrets_file": tmp_path / "secrets.yaml"}
    async with start({"clerk": persona}, public_url="https://rep.example/ai/", **settings) as gateway:
        key = gateway.secret("ada", Scope.CHAT)
        async with gateway.http(authorization=f"Bearer {key}", host="rep.example") as http:
            asked = (await http.post("/api/oauth/connections", json={"persona": "clerk", "secret": "app"})).json()
            page = await http.get(f"/api/oauth/start?connect={asked['id']}")

    assert asked["url"] == f"https://rep.example/ai/api/oauth/start?connect={asked['id']}"
    assert "redirect_uri=https%3A%2F%2Frep.example%2Fai%2Fapi%2Foauth%2Fcallback" in page.text
    assert "(&lt;i&gt;all)" in page.text
    assert "secure" in page.headers["set-cookie"].lower()
    assert "path=/ai/api/oauth/callback" in page.headers["set-cookie"].lower()


async def test_no_token_code_or_client_secret_stands_in_logs_answers_transcripts_traces_or_the_database(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "server")
    caplog.set_level(logging.DEBUG, "actions")
    shown: list[str] = []
    await office.connect()
    office.gateway.engine.will("read_me", "none", "You are Ada.", "read_me", "none", "You are Ada.", "read_me")
    shown.append(await office.ask("Who am I?"))
    office.service.end_access()
    shown.append(await office.ask("Who am I again?"))
    office.service.end_grants()
    shown.append(await office.ask("And now?"))
    async with office.gateway.admin() as admin:
        for path in ("connections", "start?connect=x", "callback?state=x&code=y"):
            shown.append((await admin.get(f"/api/oauth/{path}")).text)
        turns = (await admin.get("/api/transcripts")).json()["data"]
        shown += [(await admin.get(f"/api/transcripts/{one['id']}")).text for one in turns]
        shown.append((await admin.get("/metrics")).text)
    with closing(sqlite3.connect(office.folder / "repertory.db")) as database:
        shown.append("\n".join(database.iterdump()))
    shown += [repr(one) for one in office.gateway.engine.requests]
    shown += [record.getMessage() for record in caplog.records]

    canaries = {CLIENT_SECRET, *office.service.issued, *office.service.codes}
    assert len(office.service.issued) == 4
    assert len(turns) == 3
    assert [one for one in canaries if any(one in text for text in shown)] == []
