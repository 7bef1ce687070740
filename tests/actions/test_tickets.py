"""The demo tracker: a persona's actions against it, its document, its page, and how it stops."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
import yaml

from actions import ActionConfig, ActionResult, ActionSet, AddressRefused, DocumentInvalid, NetworkGrants, Secrets
from actions.json_value import JsonObject
from core.ids import PersonaId
from examples.tickets.app import DOCUMENT_PATH, create_app
from examples.tickets.store import TicketStore

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "examples.tickets"]
_BY_PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:])
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tracker as its own process; yields its URL."""
    database = tmp_path_factory.mktemp("tracker") / "tickets.db"
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--database", str(database)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()
        assert process.wait(5) in {0, -signal.SIGTERM}


def _actions(url: str) -> ActionSet:
    config = ActionConfig(
        document="examples/tickets/openapi.yaml",
        server=url,
        operations=("search_tickets", "create_ticket", "get_ticket"),
    )
    grants = NetworkGrants.parse([url.removeprefix("http://")])
    return ActionSet.load([config], root=ROOT, grants=grants, secrets=Secrets.none(), persona=PersonaId("coach"))


def _call(actions: ActionSet, name: str, arguments: JsonObject) -> ActionResult:
    checked = actions.validate(name, json.dumps(arguments))
    return anyio.run(lambda: actions.call(name, checked))


def test_only_filing_a_ticket_needs_approval(tracker: str) -> None:
    operations = _actions(tracker).operations

    assert [(one.name, one.consequential) for one in operations] == [
        ("search_tickets", False),
        ("create_ticket", True),
        ("get_ticket", False),
    ]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("flaky checkout test", 102),
        ("are there any tickets about logging in?", 101),
        ('"voucher" AND (NOT', 102),
        ("Jonas deploy billing", 109),
        ("definitions of done", 103),
    ],
)
def test_a_forgiving_search_finds_the_ticket(tracker: str, query: str, first: int) -> None:
    found = json.loads(_call(_actions(tracker), "search_tickets", {"query": query}).text)["tickets"]

    assert found[0]["id"] == first
    assert len(found) <= 5


def test_a_search_keeps_to_the_status(tracker: str) -> None:
    result = _call(_actions(tracker), "search_tickets", {"query": "sprint 24 retrospective", "status": "done"})

    found = json.loads(result.text)["tickets"]
    assert found
    assert {ticket["status"] for ticket in found} == {"done"}


def test_a_filed_ticket_is_read_found_and_shown_on_the_page(tracker: str) -> None:
    actions = _actions(tracker)
    ticket: JsonObject = {"title": "Zeppelin <import> fails", "description": "No gas.", "priority": "low"}

    filed = json.loads(_call(actions, "create_ticket", ticket).text)

    assert ticket.items() <= filed.items()
    assert json.loads(_call(actions, "get_ticket", {"ticket_id": filed["id"]}).text) == filed
    found = json.loads(_call(actions, "search_tickets", {"query": "zeppelins"}).text)["tickets"]
    assert [one["id"] for one in found] == [filed["id"]]
    assert "Zeppelin &lt;import&gt; fails" in httpx.get(f"{tracker}/", trust_env=False).text


def test_a_document_is_read_from_a_url_within_the_guard(tracker: str) -> None:
    config = ActionConfig(document=f"{tracker}/openapi.yaml", server=tracker)
    persona, host = PersonaId("coach"), tracker.removeprefix("http://")

    loaded = ActionSet.load(
        [config], root=ROOT, grants=NetworkGrants.parse([host]), secrets=Secrets.none(), persona=persona
    )

    assert loaded.operations == _actions(tracker).operations
    with pytest.raises(AddressRefused, match="loopback"):
        ActionSet.load([config], root=ROOT, grants=NetworkGrants(), secrets=Secrets.none(), persona=persona)


def test_a_document_that_is_not_at_its_url_is_named(tracker: str) -> None:
    config = ActionConfig(document=f"{tracker}/nothing.yaml")
    grants = NetworkGrants.parse([tracker.removeprefix("http://")])

    with pytest.raises(DocumentInvalid, match=r"nothing.yaml' cannot be fetched: status 404"):
        ActionSet.load([config], root=ROOT, grants=grants, secrets=Secrets.none(), persona=PersonaId("coach"))


def test_two_operations_of_one_name_ask_for_another_name(tracker: str) -> None:
    config = ActionConfig(document="examples/tickets/openapi.yaml", server=tracker)

    with pytest.raises(DocumentInvalid, match="two operations named 'search_tickets'"):
        ActionSet.load(
            [config, config],
            root=ROOT,
            grants=NetworkGrants(),
            secrets=Secrets.none(),
            persona=PersonaId("coach"),
        )


def test_a_missing_ticket_is_a_sentence_with_its_status(tracker: str) -> None:
    result = _call(_actions(tracker), "get_ticket", {"ticket_id": 9})

    assert (result.status, result.ok) == (404, False)
    assert "There is no ticket 9" in result.text


def test_the_committed_document_says_what_the_service_does(tmp_path: Path) -> None:
    store = TicketStore(tmp_path / "tickets.db")
    served = create_app(store).openapi()
    store.close()
    committed = yaml.safe_load(DOCUMENT_PATH.read_text(encoding="utf-8"))

    for path, item in served["paths"].items():
        for method, operation in item.items():
            ours = committed["paths"][path][method]
            assert ours["operationId"] == operation["operationId"]
            assert [one["name"] for one in ours.get("parameters", [])] == [
                one["name"] for one in operation.get("parameters", [])
            ]
    assert committed["paths"].keys() == served["paths"].keys()
    new_ticket = served["components"]["schemas"]["NewTicket"]
    ours = committed["components"]["schemas"]["NewTicket"]
    assert ours["required"] == new_ticket["required"]
    for name, field in new_ticket["properties"].items():
        for bound in ("minLength", "maxLength"):
            assert ours["properties"][name].get(bound) == field.get(bound)
    assert committed["components"]["schemas"]["Priority"]["enum"] == new_ticket["properties"]["priority"]["enum"]


def test_tickets_survive_a_restart_and_are_seeded_once(tmp_path: Path) -> None:
    first = TicketStore(tmp_path / "tickets.db")
    filed = first.create("Stays", "Here.", "low")
    first.close()

    again = TicketStore(tmp_path / "tickets.db")
    tickets = again.newest()
    again.close()

    assert tickets[0] == filed
    assert len(tickets) == 13


def test_a_port_in_use_is_one_sentence(tracker: str, tmp_path: Path) -> None:
    port = tracker.rpartition(":")[2]
    command = [*COMMAND, "--port", port, "--database", str(tmp_path / "tickets.db")]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert (
        ended.stderr == f"The port {port} cannot be used (Address already in use). Choose another with --port.\n"
    )


def test_the_tracker_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    command = [*COMMAND, "--port", "0", "--database", str(tmp_path / "tickets.db")]
    with subprocess.Popen(
        [sys.executable, "-c", _BY_PARENT, *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.stdout.readline()  # the child says that it listens
        ended = os.pidfd_open(child)
        parent.kill()

        readable, _, _ = select.select([ended], [], [], 10)
        os.close(ended)

    assert readable
