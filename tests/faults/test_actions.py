"""The gateway is killed in the middle of an action's call: its outcome is unknown, and it is not repeated."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.engine.server import RunningServer
from tests.fakes.crm import Crm, running_crm
from tests.fakes.engine import FakeEngine, FakePlugin, running_engine
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(400)  # a whole server is started, on a machine that may be slow
DOCUMENT = """\
openapi: 3.1.0
info: {title: Contacts, version: "1"}
paths:
  /held:
    get:
      operationId: look_up
      responses: {"200": {description: found}}
    delete:
      operationId: remove
      responses: {"204": {description: gone}}
"""
CLERK = """\
id: clerk
name: Clerk
instructions: You keep contacts.
actions:
  - document: contacts.yaml
    server: URL
"""


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


@pytest.fixture
def scripted() -> Iterator[FakeEngine]:
    with running_engine() as running:
        running.plugin = FakePlugin()
        yield running


def _ask(server: RunningServer) -> httpx.Response:
    body = {
        "model": "clerk",
        "messages": [{"role": "user", "content": "Do it"}],
        "repertory": {"include": True},
    }
    return httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60, trust_env=False)


def _get(server: RunningServer, path: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{server.url}{path}", headers=server.admin, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["data"]
    return listed


def _kill_in_mid_call(server: RunningServer, crm: Crm) -> None:
    """Ask, and kill the gateway once the service has the call and has not answered."""
    held = crm.held
    body = {"model": "clerk", "messages": [{"role": "user", "content": "Do it"}], "stream": True}
    with httpx.stream(
        "POST", f"{server.url}/v1/chat/completions", json=body, timeout=60, trust_env=False
    ) as answer:
        lines = answer.iter_lines()
        next(lines, None)  # a comment: the stream has begun, and the call hangs
        eventually(lambda: crm.held > held)
        server.process.kill()
        server.process.wait()


def test_a_gateway_killed_in_mid_call_knows_afterwards_that_it_does_not_know(
    world: World, crm: Crm, scripted: FakeEngine
) -> None:
    (world.personas / "clerk.yaml").write_text(CLERK.replace("URL", crm.url))
    (world.folder / "root" / "contacts.yaml").write_text(DOCUMENT)
    settings = {
        "REPERTORY_PRIVATE_HOSTS": crm.host,
        "REPERTORY_ENGINE_URL": scripted.url,
        "REPERTORY_KEEP_ALIVE_SECONDS": "0.1",
    }
    with world.server(**settings) as server:
        server.wait_ready()
        scripted.will("look_up")
        _kill_in_mid_call(server, crm)
    with world.server(**settings) as server:
        server.wait_ready()
        (read,) = _get(server, "/api/actions/calls")
        scripted.will("remove")
        assert "needs a person's approval" in _ask(server).text
        (pending,) = _get(server, "/api/approvals")
        decided = httpx.post(
            f"{server.url}/api/approvals/{pending['id']}",
            json={"decision": "approve"},
            headers=server.admin,
            trust_env=False,
        )
        assert decided.status_code == 200
        _kill_in_mid_call(server, crm)
    with world.server(**settings) as server:
        server.wait_ready()
        removed, _ = _get(server, "/api/actions/calls")
        (approval,) = _get(server, "/api/approvals")
        scripted.will("I do not know.")
        told = _ask(server).json()

    assert (read["operation"], read["state"], read["status"]) == ("look_up", "unknown", None)
    assert (removed["operation"], removed["state"], removed["approval"]) == ("remove", "unknown", pending["id"])
    assert approval["state"] == "unknown"
    assert "not known whether it took effect" in str(scripted.requests[-1]["messages"])
    assert told["repertory"]["steps"][0]["state"] == "unknown"
    assert [method for method, _ in crm.requests] == ["GET", "DELETE"]
