"""The gateway that clients talk to: over HTTP, with keys, personas of each kind, and a model that obeys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.checkout import digest, read_stamp
from bootstrap.clients import CLIENTS, LOCK
from core.principal import Scope
from tests.clients.runs import Client
from tests.fakes import scripted_model
from tests.fakes.crm import running_crm
from tests.fakes.engine import FakeEngine
from tests.server.conftest import Start, anyio_backend, engine, start
from tests.server.serving import serving

__all__ = ["anyio_backend", "engine", "start"]

collect_ignore = ["suites"]  # they run in the clients' environment, where this one's packages are unknown

ACTIONS = """\
openapi: 3.1.0
info: {title: Contacts, version: "1"}
paths:
  /echo:
    get:
      operationId: lookup_contact
      summary: Look a contact up.
      parameters:
        - {name: who, in: query, required: true, schema: {type: string, minLength: 1}}
      responses: {"200": {description: found}}
"""
CLERK = """\
id: ID
name: Clerk
instructions: You keep contacts.
actions:
  - document: contacts.yaml
    server: URL
calling: CALLING
"""


@pytest.fixture
def client(start: Start, engine: FakeEngine, tmp_path: Path) -> Iterator[Client]:
    """Return what runs clients against a gateway of this test's own."""
    assert read_stamp(CLIENTS.root / "repertory.json").get("lock") == digest(LOCK), (
        "The clients are not installed, or not as their lock says: run `make test`, which installs them."
    )
    engine.model = scripted_model.answer
    (tmp_path / "contacts.yaml").write_text(ACTIONS)
    with running_crm() as crm:
        clerk = CLERK.replace("URL", crm.url)
        personas = {
            "guided": clerk.replace("ID", "guided").replace("CALLING", "guided"),
            "native": clerk.replace("ID", "native").replace("CALLING", "native"),
        }
        with serving(start(personas, private_hosts=crm.host, require_keys=True)) as gateway:
            assert gateway.services.personas.problems == ()
            key = gateway.secret("clients", Scope.CHAT, Scope.KNOWLEDGE)
            yield Client(gateway.base, key, tmp_path / "home")
