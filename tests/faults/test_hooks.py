"""A whole gateway is killed while it answers a signed question: the next one answers it and calls back, once."""

import json
import time

import httpx
import pytest

from server.hooks.signature import SIGNATURE, TIMESTAMP, signed
from tests.engine.server import RunningServer
from tests.fakes.receiver import Receiver, running_receiver
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(400)  # a whole server is started, on a machine that may be slow
KEY = "a-key-with-which-the-crm-signs"
CALLER = """\
id: caller
name: Caller
instructions: You summarise.
integrations: {hooks: [{name: crm, secret: crm-hook}]}
"""


def _ask(server: RunningServer, receiver: Receiver) -> str:
    order = json.dumps({"text": "A summary."})
    body = {"delivery": "event-0001", "input": f"Sum up: {order}", "callback_url": receiver.url}
    content, now = json.dumps(body).encode(), int(time.time())
    headers = {
        TIMESTAMP: str(now),
        SIGNATURE: signed(KEY.encode(), now, content),
        "content-type": "application/json",
    }
    answer = httpx.post(f"{server.url}/api/hooks/caller", content=content, headers=headers, timeout=60)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _job(server: RunningServer, job: str) -> dict[str, object]:
    shown: dict[str, object] = httpx.get(
        f"{server.url}/api/hooks/jobs/{job}", headers=server.admin, timeout=60
    ).json()
    return shown


def test_a_question_that_was_taken_in_is_answered_by_the_next_server_and_told_once(world: World) -> None:
    (world.personas / "caller.yaml").write_text(CALLER)
    with running_receiver() as receiver:
        secret = {"value": KEY, "hosts": [receiver.host], "kind": "signing"}
        secrets = world.folder / "secrets.yaml"
        secrets.write_text(json.dumps({"crm-hook": secret}))
        settings = {"REPERTORY_SECRETS_FILE": str(secrets), "REPERTORY_PRIVATE_HOSTS": receiver.host}
        with world.server(**settings) as server:
            server.wait_ready()
            world.note("hold-compute").touch()
            job = _ask(server, receiver)
            assert _job(server, job)["state"] == "queued"
            server.process.kill()
            server.process.wait()
        assert receiver.received == []
        world.note("hold-compute").unlink()
        with world.server(**settings) as server:
            server.wait_ready()
            (callback,) = receiver.wait_for(1, 120)
            assert callback.signed_by(KEY)
            assert (callback.told["job"], callback.told["answer"]) == (job, "A summary.")
            eventually(lambda: _job(server, job)["state"] == "done")
            assert _ask(server, receiver) == job  # a sender that was not answered may send again
            eventually(lambda: "delivered" in str(_job(server, job)["callback"]))
        assert len(receiver.received) == 1
