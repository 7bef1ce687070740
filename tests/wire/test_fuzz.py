"""Schemathesis over our own document: whatever the document allows is answered as the document says."""

import json
from pathlib import Path

import pytest

from bootstrap.checkout import digest, read_stamp
from bootstrap.clients import CLIENTS, LOCK
from core.principal import Scope
from server.openapi.operations import OPERATIONS
from tests.clients.runs import Client
from tests.fakes.crm import Crm
from tests.server.conftest import Start
from tests.server.serving import serving
from tests.wire.surface import whole_surface

EXAMPLES = 20
"""Of each operation. With 200, run by hand, nothing more was found."""


@pytest.mark.timeout(600)  # generous: two cores that others use, too, take ten times as long
def test_whatever_the_document_allows_is_answered_as_it_says(start: Start, crm: Crm, tmp_path: Path) -> None:
    assert read_stamp(CLIENTS.root / "repertory.json").get("lock") == digest(LOCK), "Run `make test` first."
    with serving(whole_surface(start, crm, tmp_path)) as gateway:
        client = Client(gateway.base, gateway.secret("admin", Scope.ADMIN), tmp_path / "home")
        program = str(Path(__file__).with_name("fuzz.py"))
        done = client.run([str(CLIENTS.python), program, client.url, client.key, str(EXAMPLES)])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["failures"] == {}
    assert set(told["statuses"]) == set(OPERATIONS)
    assert all(told["statuses"].values())
    assert set(told["statuses"]["POST /v1/chat/completions"]) >= {200, 400, 404}
    assert set(told["statuses"]["POST /v1/embeddings"]) >= {200, 400}
