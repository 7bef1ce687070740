"""Keys: who may come in, and with which rights."""

import logging
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import openai
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event

from core.clock import system_clock
from core.database import Database
from core.errors import Conflict, InvalidRequest, NotFound
from core.ids import PersonaId
from core.principal import NO_LIMITS, Limits, Scope
from server.keys.gate import Gate, check_bind
from server.keys.key import digest
from server.keys.store import Keys
from server.migrations import migrate
from server.settings import ROOT, Settings
from tests.databases import new_database
from tests.server.conftest import PLAIN, Gateway, Start

pytestmark = pytest.mark.anyio
_PATIENCE = 30
_CHAT = {"model": "plain", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    database = new_database(tmp_path / "keys.db")
    return Keys(database, lambda: 5.0)


def test_the_first_admin_key_is_made_once_for_its_owner_alone(keys: Keys, tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    keys.bootstrap(path)
    secret = path.read_text().strip()
    keys.bootstrap(path)
    assert path.read_text().strip() == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = keys.find(secret)
    assert found is not None
    assert found.principal.may(Scope.KNOWLEDGE)


def test_secrets_are_stored_only_as_hashes(keys: Keys, tmp_path: Path) -> None:
    _, secret = keys.create("bot", [Scope.CHAT])
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("keys.db*"))
    assert secret.encode() not in stored


def test_a_revoked_key_opens_nothing_and_its_name_stays_taken(keys: Keys) -> None:
    _, secret = keys.create("bot", [Scope.CHAT])
    assert keys.live.find(secret) is not None
    assert keys.revoke("bot").revoked_at == 5.0
    assert keys.find(secret) is None
    assert keys.live.find(secret) is None
    with pytest.raises(Conflict):
        keys.create("bot", [Scope.CHAT])
    with pytest.raises(NotFound):
        keys.revoke("nobody")


@pytest.mark.parametrize("name", ["", "Bot", "a b", "../x", "x" * 65, "anonymous", "first-admin"])
def test_names_of_keys_are_plain(keys: Keys, name: str) -> None:
    with pytest.raises(InvalidRequest):
        keys.create(name, [Scope.CHAT])


def test_a_public_bind_without_keys_refuses_to_start(keys: Keys, tmp_path: Path) -> None:
    public = Settings(host="0.0.0.0", _env_file=None)
    keys.bootstrap(tmp_path / "admin.key")
    with pytest.raises(InvalidRequest) as caught:
        check_bind(public, keys)
    assert caught.value.code == "public_bind_without_keys"
    check_bind(public.model_copy(update={"host": "127.0.0.1"}), keys)
    check_bind(public.model_copy(update={"require_keys": True}), keys)
    keys.create("bot", [Scope.CHAT])
    check_bind(public, keys)
    keys.revoke("bot")
    with pytest.raises(InvalidRequest):
        check_bind(public, keys)


async def test_on_loopback_v1_is_open_and_api_never_is(gateway: Gateway) -> None:
    await gateway.ask("plain", "Hi")
    async with gateway.http() as http, gateway.admin() as admin:
        for path in ("/api/personas", "/api/approvals", "/api/knowledge/stores"):
            refused = await http.get(path)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "missing_api_key")
            assert (await admin.get(path)).status_code == 200


async def test_a_placeholder_key_is_no_key_but_a_wrong_key_of_ours_is_401(gateway: Gateway) -> None:
    await gateway.ask("plain", "Hi", key="EMPTY")
    with pytest.raises(openai.AuthenticationError) as caught:
        await gateway.ask("plain", "Hi", key="rep-wrong")
    assert caught.value.code == "invalid_api_key"
    secret = gateway.secret("gone", Scope.CHAT)
    gateway.services.keys.revoke("gone")
    with pytest.raises(openai.AuthenticationError):
        await gateway.ask("plain", "Hi", key=secret)


@pytest.mark.parametrize("settings", [{"require_keys": True}, {"host": "0.0.0.0"}])
async def test_where_keys_are_needed_v1_asks_for_one(start: Start, settings: dict[str, object]) -> None:
    async with start(**settings) as gateway:
        with pytest.raises(openai.AuthenticationError):
            await gateway.ask("plain", "Hi", key="EMPTY")
        answer = await gateway.ask("plain", "Hi", key=gateway.secret("bot", Scope.CHAT))
        assert answer.choices[0].message.content


async def test_a_key_without_the_scope_is_403(gateway: Gateway) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        await gateway.ask("plain", "Hi", key=gateway.secret("reader", Scope.KNOWLEDGE))


async def test_a_key_limited_to_personas_sees_no_other(gateway: Gateway) -> None:
    _, secret = gateway.services.keys.create("narrow", [Scope.CHAT], [PersonaId("plain")])
    client = gateway.openai(secret)
    assert [model.id async for model in client.models.list()] == ["plain"]
    with pytest.raises(openai.NotFoundError):
        await gateway.ask("tuned", "Hi", key=secret)


async def test_a_persona_may_name_the_keys_that_may_use_it(start: Start) -> None:
    closed = PLAIN.replace("id: plain", "id: closed") + "access: {keys: [bot]}\n"
    async with start({"closed": closed}) as gateway:
        with pytest.raises(openai.NotFoundError):
            await gateway.ask("closed", "Hi")
        with pytest.raises(openai.NotFoundError):
            await gateway.ask("closed", "Hi", key=gateway.secret("other", Scope.CHAT))
        await gateway.ask("closed", "Hi", key=gateway.secret("bot", Scope.CHAT))


def test_a_changed_limit_counts_at_once_in_the_process_that_changes_it(keys: Keys) -> None:
    _, secret = keys.create("bot", [Scope.CHAT], limits=Limits(requests_per_day=1, tokens_per_day=9))
    assert keys.live.find(secret) is not None
    keys.limit("bot", {"requests_per_day": None, "tokens_per_day": 7})
    principal = keys.live.find(secret)
    assert principal is not None
    assert principal.limits == Limits(tokens_per_day=7)
    with pytest.raises(InvalidRequest):
        keys.limit("bot", {"tokens_per_year": 7})
    with pytest.raises(NotFound):
        keys.limit("nobody", {"tokens_per_day": 7})


def test_who_asks_is_known_without_the_database(keys: Keys) -> None:
    secret = keys.create("bot", [Scope.CHAT], [PersonaId("plain")], Limits(requests_per_day=9))[1]
    gate, statements = Gate.of(Settings(_env_file=None), keys), list[str]()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        principal = gate.identify(f"Bearer {secret}", key_needed=True)
        gate.identify("Bearer EMPTY", key_needed=False)
        gate.identify(None, key_needed=False)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert statements == []
    assert principal.id == "key:bot"
    assert principal.personas == frozenset({PersonaId("plain")})
    assert principal.limits.requests_per_day == 9


async def test_what_another_program_does_to_keys_is_seen_while_the_server_runs(
    gateway: Gateway, tmp_path: Path
) -> None:
    database = Database(tmp_path / "repertory.db")
    theirs = Keys(database, system_clock)
    secret = theirs.create("bot", [Scope.CHAT])[1]
    async with gateway.http(authorization=f"Bearer {secret}") as http:
        assert (await http.get("/api/personas")).status_code == 200  # a new key works at once
        theirs.limit("bot", {"requests_per_day": 5})
        await until(lambda: _limits(gateway, secret) == Limits(requests_per_day=5))
        theirs.revoke("bot")
        await until(lambda: gateway.services.keys.live.find(secret) is None)
        assert (await http.get("/api/personas")).status_code == 401
    database.close()


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        await anyio.sleep(0.02)


def _limits(gateway: Gateway, secret: str) -> Limits | None:
    principal = gateway.services.keys.live.find(secret)
    return None if principal is None else principal.limits


async def test_an_administrator_makes_limits_and_revokes_keys_over_http(gateway: Gateway) -> None:
    async with gateway.admin() as admin:
        asked = {"name": "bot", "scopes": ["chat"], "personas": ["plain"], "limits": {"tokens_per_day": 100}}
        made = (await admin.post("/api/keys", json=asked)).json()
        assert [model.id async for model in gateway.openai(made["secret"]).models.list()] == ["plain"]
        changed = await admin.patch("/api/keys/bot", json={"tokens_per_day": None, "requests_per_day": 1})
        assert changed.json()["limits"]["tokens_per_day"] is None
        await gateway.ask("plain", "Hi", key=made["secret"])
        with pytest.raises(openai.RateLimitError):
            await gateway.ask("plain", "Hi", key=made["secret"])
        assert (await admin.delete("/api/keys/bot")).json()["revoked_at"] is not None
        listed = await admin.get("/api/keys")
        again = await admin.post("/api/keys", json={"name": "bot"})
    with pytest.raises(openai.AuthenticationError):
        await gateway.ask("plain", "Hi", key=made["secret"])
    assert {key["name"] for key in listed.json()["data"]} == {"admin", "bot"}
    assert made["secret"] not in listed.text
    assert again.status_code == 409


NONSENSE: list[dict[str, object]] = [
    {},
    {"name": "Bad Name"},
    {"name": "anonymous"},
    {"name": "first-admin"},
    {"name": "bot", "scopes": ["admin", "chat"], "personas": ["plain"]},
    {"name": "bot", "scopes": []},
    {"name": "bot", "scopes": ["all"]},
    {"name": "bot", "limits": {"requests_per_minute": 0}},
    {"name": "bot", "limits": {"requests_per_hour": 5}},
    {"name": "bot", "secret": "rep-mine"},
]


async def test_a_key_that_makes_no_sense_is_refused_in_words(gateway: Gateway) -> None:
    async with gateway.admin() as admin:
        answers = [await admin.post("/api/keys", json=body) for body in NONSENSE]
    assert [answer.status_code for answer in answers] == [400] * len(NONSENSE)
    assert all(answer.json()["error"]["message"] for answer in answers)


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_secret_is_in_no_log_error_usage_or_file(
    gateway: Gateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [gateway.secret("bot", Scope.CHAT), gateway.secret("boss", Scope.ADMIN), "rep-" + "w" * 43]
    answers: list[httpx.Response] = []
    for secret in secrets:
        async with gateway.http(authorization=f"Bearer {secret}") as http:
            for path in ("/api/keys", "/api/usage", "/api/personas", "/v1/models", "/v1/nothing", "/metrics"):
                answers.append(await http.get(path))
            answers.append(await http.post("/v1/chat/completions", json={"model": "plain"}))
            answers.append(await http.post("/v1/chat/completions", json=_CHAT))
            answers.append(await http.get("/v1/models", headers={"origin": "https://evil.example"}))
    gateway.services.meter.ledger.write()
    shown = caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 403, 404}
    for secret in secrets:
        assert secret not in shown
        assert secret.encode() not in written(tmp_path)
        assert secret not in repr(gateway.services.keys.live.find(secret))


async def test_the_body_in_the_document_of_keys_makes_one(gateway: Gateway) -> None:
    example = (ROOT / "docs" / "keys.md").read_text().partition("```json\n")[2].partition("```")[0]
    async with gateway.admin() as admin:
        made = await admin.post("/api/keys", content=example, headers={"content-type": "application/json"})
    assert made.json()["limits"]["requests_per_minute"] == 30


def test_a_key_of_the_first_schema_lives_on_without_limits(tmp_path: Path) -> None:
    database = Database(tmp_path / "old.db")
    config = Config()
    config.set_main_option("script_location", str(ROOT / "server" / "migrations"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO server_keys VALUES ('key-1', 'old', ?, '[\"chat\"]', NULL, 0, 1.0, NULL)",
            (digest("rep-old"),),
        )
    migrate(database)
    key = Keys(database, system_clock).find("rep-old")
    assert key is not None
    assert key.principal.limits == NO_LIMITS
    database.close()
