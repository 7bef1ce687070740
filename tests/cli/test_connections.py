"""`repertory action connect|connections|disconnect|rotate`."""

import json
from pathlib import Path

import pytest

from actions import Seal
from server.data_directory import locked
from tests.cli.conftest import Run
from tests.fakes.api import Api

LINK: dict[str, object] = {
    "id": "conn-1",
    "principal": "key:ada",
    "persona": "clerk",
    "secret": "crm",
    "host": "crm.example",
    "url": "http://127.0.0.1/api/oauth/start?connect=conn-1",
    "created_at": 100.0,
    "expires_at": 1000.0,
}
CONNECTED = {
    "principal": "key:ada",
    "secret": "crm",
    "host": "crm.example",
    "state": "connected",
    "reason": None,
    "scopes": ["contacts.read"],
    "connected_at": 101.0,
    "expires_at": None,
}


def test_connect_prints_the_link_and_waits_until_the_account_is_connected(run: Run, api: Api) -> None:
    api.answer("POST /api/oauth/connections", LINK)
    api.answer("GET /api/oauth/connections", {"data": [CONNECTED | {"connected_at": 99.0}]})
    api.answer("GET /api/oauth/connections", {"data": [CONNECTED]})
    outcome = run("--url", api.url, "action", "connect", "clerk", "crm")
    assert outcome.code == 0
    assert str(LINK["url"]) in outcome.out
    assert outcome.out.endswith("Connected: key:ada at crm.example.\n")
    assert api.requests[0].body == {"persona": "clerk", "secret": "crm"}
    assert [one.query for one in api.requests[1:]] == ["principal=key%3Aada"] * 2


def test_connect_ends_in_words_when_nobody_used_the_link(run: Run, api: Api) -> None:
    api.answer("POST /api/oauth/connections", LINK | {"expires_at": 100.0})
    api.answer("GET /api/oauth/connections", {"data": []})
    outcome = run("--url", api.url, "action", "connect", "clerk", "crm")
    assert outcome.code == 1
    assert "Nobody has used the link" in outcome.err


def test_connect_can_leave_the_waiting_to_a_script(run: Run, api: Api) -> None:
    api.answer("POST /api/oauth/connections", LINK)
    outcome = run("--url", api.url, "action", "connect", "clerk", "crm", "--no-wait", "--json")
    assert json.loads(outcome.out) == LINK
    assert len(api.requests) == 1


def test_connections_are_listed_with_what_is_wrong_with_them(run: Run, api: Api) -> None:
    broken = CONNECTED | {"secret": "desk", "state": "broken", "reason": "The service no longer accepts it."}
    api.answer("GET /api/oauth/connections", {"data": [CONNECTED, broken]})
    outcome = run("--url", api.url, "action", "connections")
    assert "crm.example" in outcome.out
    assert "broken: The service no longer accepts it." in outcome.out


@pytest.mark.parametrize(("revoked", "said"), [(True, ""), (False, "did not take its tokens back")])
def test_disconnect_says_where_the_service_kept_its_tokens(run: Run, api: Api, revoked: bool, said: str) -> None:
    api.answer("DELETE /api/oauth/connections/my%20crm", {"secret": "my crm", "deleted": True, "revoked": revoked})
    outcome = run("--url", api.url, "action", "disconnect", "my crm", "--principal", "key:ada")
    assert outcome.out == "Disconnected 'my crm'.\n"
    assert said in outcome.err
    assert api.requests[0].query == "principal=key%3Aada"


def test_rotate_makes_a_new_key_and_refuses_while_a_server_runs(run: Run, data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    keys = data_dir / "oauth.keys"
    sealed = Seal(keys).close("connection", {})
    old = keys.read_text()
    with locked(data_dir):
        assert "serves" in run("action", "rotate").err
    assert keys.read_text() == old
    outcome = run("action", "rotate")
    assert outcome.out == "Sealed 0 connected accounts with a new key; the old keys are gone.\n"
    assert keys.read_text() not in ("", old)
    assert sealed not in keys.read_text()
