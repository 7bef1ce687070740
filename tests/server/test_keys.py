"""Keys: who may come in, and with which rights."""

import stat
from pathlib import Path

import openai
import pytest

from core.database import Database
from core.errors import Conflict, InvalidRequest, NotFound
from core.ids import PersonaId
from core.principal import Scope
from server.keys.gate import check_bind
from server.keys.store import Keys
from server.keys.tables import metadata
from server.settings import Settings
from tests.server.conftest import PLAIN, Gateway, Start

pytestmark = pytest.mark.anyio


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    database = Database(tmp_path / "keys.db")
    metadata.create_all(database.engine)
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
    assert keys.revoke("bot").revoked_at == 5.0
    assert keys.find(secret) is None
    with pytest.raises(Conflict):
        keys.create("bot", [Scope.CHAT])
    with pytest.raises(NotFound):
        keys.revoke("nobody")


@pytest.mark.parametrize("name", ["", "Bot", "a b", "../x", "x" * 65])
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
