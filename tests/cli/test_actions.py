"""`repertory action …`: what a persona may call, without a server."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
import yaml

from actions import Call, CallState, Journal, Pins, arguments_hash
from actions.mcp import ToolPins
from actions.pins import hash_of
from server.assembly import toolbox_of
from server.cli.persona_actions import read_actions
from server.cli.storage import open_database
from server.settings import Settings
from tests.actions.documents import CRM, document, operation, parameter, write
from tests.actions.object_documents import contacts, deals
from tests.cli.conftest import Run
from tests.fakes.crm import Crm, running_crm
from tests.fakes.mcp_server import McpFake, running_mcp

_PERSONA = """\
id: clerk
name: Clerk
instructions: You keep contacts.
actions:
  - document: crm.yaml
    server: {server}
    operations:
      - id: post-/crm/v3/objects/contacts/search_doSearch
        name: find
        consequential: false
      - {{id: "GET /crm/v3/objects/contacts/{{contactId}}", name: read}}
      - {{id: "DELETE /crm/v3/objects/contacts/{{contactId}}", name: remove}}
      - {{id: "PATCH /crm/v3/objects/contacts/{{contactId}}", name: change}}
    deny: ["PATCH *"]
"""
_APP = {
    "kind": "oauth2_authorization_code",
    "authorization_url": "https://login.example/authorize",
    "token_url": "https://login.example/token",
    "oauth_hosts": ["login.example"],
    "client_id": "repertory",
    "client_secret": "shh-0123456789",
}


@pytest.fixture(scope="module")
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


@pytest.fixture
def personas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crm: Crm) -> Path:
    folder = tmp_path / "personas"
    folder.mkdir()
    (tmp_path / "crm.yaml").write_text(CRM)
    (folder / "clerk.yaml").write_text(_PERSONA.format(server=crm.url))
    (folder / "broken.yaml").write_text("id: [")
    monkeypatch.setenv("REPERTORY_PERSONAS_DIR", str(folder))
    monkeypatch.setenv("REPERTORY_KNOWLEDGE_ROOT", str(tmp_path))
    monkeypatch.setenv("REPERTORY_PRIVATE_HOSTS", crm.host)
    return folder


def test_list_shows_what_is_offered_and_how_it_is_made(run: Run, personas: Path) -> None:
    shown = run("action", "list", "clerk")

    assert shown.code == 0
    assert [line.split()[:4] for line in shown.out.splitlines() if "/crm" in line] == [
        ["find", "POST", "/crm/v3/objects/contacts/search", "at"],
        ["read", "GET", "/crm/v3/objects/contacts/{contactId}", "at"],
        ["remove", "DELETE", "/crm/v3/objects/contacts/{contactId}", "after"],
    ]
    assert [one["name"] for one in json.loads(run("action", "list", "clerk", "--json").out)] == [
        "find",
        "read",
        "remove",
    ]


def test_check_tells_what_is_left_open_and_what_is_not_offered_and_why(run: Run, personas: Path) -> None:
    shown = run("action", "check", str(personas / "clerk.yaml"))

    assert shown.code == 0
    assert "    what lies deep in 'FilterGroup' is decoded freely, and checked whole afterwards" in shown.out
    assert "not offered: patch-/crm/v3/objects/contacts/{contactId}_update: the persona denies it" in shown.out
    assert shown.out.endswith("3 offered, 0 cannot be, 1 denied.\n")
    told = json.loads(run("action", "check", "clerk", "--json").out)
    assert [one["denied"] for one in told["not_offered"]] == [True]


def test_check_lists_every_operation_of_large_documents_with_ids_that_no_model_could_call(
    run: Run, personas: Path
) -> None:
    write(personas.parent, contacts(), "contacts.json")
    write(personas.parent, deals(), "deals.json")
    (personas / "sales.yaml").write_text(
        "id: sales\nname: Sales\ninstructions: x\n"
        "actions:\n  - document: contacts.json\n  - document: deals.json\n"
    )

    shown = run("action", "check", "sales")

    names = re.findall(r"^(\S+): [A-Z]+ https://api\.hubapi\.com/crm/v3/objects/", shown.out, re.MULTILINE)
    assert (shown.code, len(names), len(set(names))) == (0, 25, 25)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names)
    assert shown.out.endswith("25 offered, 0 cannot be, 0 denied.\n")


def test_call_shows_the_request_and_sends_nothing_unless_asked_to(run: Run, personas: Path, crm: Crm) -> None:
    before = len(crm.requests)

    shown = run("action", "call", "clerk", "read", '{"contactId": "7", "filter": {"a": "b c"}}')

    assert shown.code == 0
    assert f"GET {crm.url}/crm/v3/objects/contacts/7?filter%5Ba%5D=b%20c" in shown.out
    assert shown.out.endswith("Nothing was sent. Say --send to make the call.\n")
    assert len(crm.requests) == before


def test_call_makes_the_call_and_tells_the_answer(run: Run, personas: Path, crm: Crm) -> None:
    body = '{"filterGroups": [{"property": "a"}], "limit": 3}'

    shown = run("action", "call", "clerk", "find", body, "--send", "--json")

    told = json.loads(shown.out)
    assert (shown.code, told["method"], told["result"]["status"]) == (0, "POST", 200)
    assert json.loads(told["result"]["text"])["asked"] == json.loads(body)


def _journal() -> list[Call]:
    with closing(open_database(Settings())) as database:
        return list(Journal(database, lambda: 0).list(limit=9).calls)


def test_a_call_by_hand_is_in_the_journal_as_the_operators_and_one_that_is_only_shown_is_not(
    run: Run, personas: Path, crm: Crm, data_dir: Path
) -> None:
    run("action", "call", "clerk", "remove", '{"contactId": "7"}')
    assert not data_dir.exists()

    run("action", "call", "clerk", "remove", '{"contactId": "7"}', "--send", "--yes", "--as", "key:ada")
    run("action", "call", "clerk", "find", '{"filterGroups": [], "limit": 3}', "--send")

    found, removed = _journal()
    assert (removed.state, removed.status, removed.attempts) == (CallState.DONE, 204, 1)
    assert (removed.principal, removed.persona, removed.operation) == ("operator", "clerk", "remove")
    assert removed.revision == read_actions(Settings(), "clerk").revision
    assert (removed.target, removed.decided_by) == (f"DELETE {crm.url}", "operator")
    assert removed.created_at <= (removed.sent_at or 0) <= (removed.finished_at or 0)
    assert removed.arguments_hash == arguments_hash({"contactId": "7"})
    assert (found.state, found.decided_by, found.arguments) == (CallState.DONE, None, None)


def test_a_call_by_hand_that_cannot_be_written_down_is_not_made(run: Run, personas: Path, crm: Crm) -> None:
    before = len(crm.requests)

    with closing(open_database(Settings())) as database, database.write():  # somebody else holds the lock
        shown = run("action", "call", "clerk", "remove", '{"contactId": "7"}', "--send", "--yes")

    assert shown.code == 1
    assert len(crm.requests) == before
    assert _journal() == []


def test_a_call_by_hand_that_could_not_be_made_is_written_down_as_failed(
    run: Run, personas: Path, crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = personas.parent / "secrets.yaml"
    secrets.write_text(yaml.safe_dump({"app": _APP | {"hosts": [crm.host]}}))
    monkeypatch.setenv("REPERTORY_SECRETS_FILE", str(secrets))
    text = (personas / "clerk.yaml").read_text()
    (personas / "clerk.yaml").write_text(text.replace("    operations:", "    secret: app\n    operations:"))

    shown = run("action", "call", "clerk", "read", '{"contactId": "7"}', "--send")

    assert "stands for the account of the one who calls, and here nobody does" in shown.err
    assert [(one.state, one.attempts) for one in _journal()] == [(CallState.FAILED, 0)]


@pytest.mark.parametrize(("typed", "made"), [("n\n", False), ("y\n", True)])
def test_a_consequential_call_is_asked_about(run: Run, personas: Path, crm: Crm, typed: str, made: bool) -> None:
    before = len(crm.requests)

    shown = run("action", "call", "clerk", "remove", '{"contactId": "7"}', "--send", typed=typed)

    assert "This call has consequences. Make it?" in shown.err
    assert (shown.code == 0, len(crm.requests) > before) == (made, made)
    assert [one.state for one in _journal()] == [CallState.DONE] * made


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "nobody"), "There is no persona 'nobody'"),
        (("call", "clerk", "fly"), "There is no action 'fly'. Choose one of: find, read, remove."),
        (("call", "clerk", "read", "{}"), "`contactId` is missing"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(
    run: Run, personas: Path, arguments: tuple[str, ...], message: str
) -> None:
    outcome = run("action", *arguments)

    assert outcome.code == 1
    assert message in outcome.err


def test_a_persona_with_a_problem_is_told_with_its_place(run: Run, personas: Path) -> None:
    (personas / "other.yaml").write_text(
        "id: other\nname: Other\ninstructions: x\nactions:\n  - document: no.yaml\n"
    )

    outcome = run("action", "check", "other")

    assert outcome.code == 1
    assert "other.yaml:4: actions: The document 'no.yaml' cannot be read" in outcome.err


_URL = "https://api.example/openapi.json"
_OLD = json.dumps(document({"/a": {"get": operation(operationId="a")}}))
_NEW = json.dumps(document({"/a": {"get": operation(operationId="a", parameters=[parameter("q", "query")])}}))


@pytest.fixture
def changed(personas: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Pins:
    """A persona whose document changed at its URL, which is away just now."""
    (personas / "remote.yaml").write_text(
        f"id: remote\nname: Remote\ninstructions: x\nactions:\n  - document: {_URL}\n"
    )
    pins = Pins(data_dir / "documents")
    pins.offer(pins.accept(_URL, _OLD), _NEW)
    return pins


def test_a_changed_document_fails_the_check_and_is_taken_by_accept(run: Run, changed: Pins) -> None:
    check = run("action", "check", "remote")
    assert check.code == 1
    assert "`repertory action accept PERSONA` shows the change and takes it" in check.err
    refused = run("action", "accept", "remote", typed="n\n")
    assert refused.code == 1
    assert "    changed: a: its arguments\n" in refused.out

    assert run("action", "accept", "remote", "--yes").code == 0

    pin = changed.get(_URL)
    assert pin is not None
    assert (pin.accepted, pin.offered) == (hash_of(_NEW), None)
    assert run("action", "check", "remote").code == 0
    assert run("action", "accept", "remote").out == "No document has changed since it was accepted.\n"


@pytest.fixture
def notes(personas: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[McpFake]:
    """A persona with tools of an MCP server, which a server of this data directory has accepted."""
    with running_mcp() as fake:
        servers = personas.parent / "mcp.yaml"
        servers.write_text(f"notes: {{url: '{fake.url}'}}\n")
        monkeypatch.setenv("REPERTORY_MCP_FILE", str(servers))
        monkeypatch.setenv("REPERTORY_PRIVATE_HOSTS", fake.host)
        (personas / "keeper.yaml").write_text(
            "id: keeper\nname: Keeper\ninstructions: x\nactions:\n  - mcp: notes\n    operations:\n"
            "      - {id: find_note, consequential: false}\n      - delete_all\n"
        )
        yield fake


def _accept_tools() -> None:
    """Accept what the server offers, as a running server would."""
    settings = Settings()
    with closing(open_database(settings)) as database:
        toolbox = toolbox_of(settings, ToolPins(database, lambda: 1_800_000_000.0))
        anyio.run(lambda: toolbox.accept("notes", by="key:boss"))


def test_tools_of_an_mcp_server_are_shown_and_called_as_operations_are(run: Run, notes: McpFake) -> None:
    _accept_tools()

    listed = run("action", "list", "keeper").out
    checked = run("action", "check", "keeper").out
    shown = run("action", "call", "keeper", "find_note", '{"text": "cats"}').out
    assert notes.calls == []
    made = run("action", "call", "keeper", "find_note", '{"text": "cats"}', "--send")

    assert [line.split()[:4] for line in listed.splitlines() if "MCP" in line] == [
        ["find_note", "MCP", "notes:", "find_note"],
        ["delete_all", "MCP", "notes:", "delete_all"],
    ]
    assert f"delete_all: MCP {notes.url} delete_all (after approval)" in checked
    assert f"POST {notes.url}" in shown
    assert '"params": {"name": "find_note", "arguments": {"text": "cats"}}' in shown
    assert made.out.endswith("A note about cats.\n")
    assert notes.calls == [("find_note", {"text": "cats"})]


def test_tools_that_no_server_has_accepted_are_away_in_words(run: Run, notes: McpFake) -> None:
    shown = run("action", "check", "keeper")

    assert shown.code == 0
    assert "not offered: MCP server notes: it has not told its tools yet" in shown.out
    assert "the model is told: The tools of notes cannot be used at the moment." in shown.out
