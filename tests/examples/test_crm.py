"""The example CRM and its persona: a contact looked up, its deals read, a note written once a person agrees."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from actions import ApprovalState
from server.settings import ROOT
from tests.fakes import scripted_model
from tests.fakes.engine import FakeEngine
from tests.fakes.hubspot import TOKEN, HubSpot, running_hubspot
from tests.server.conftest import Gateway, Said, Start, anyio_backend, engine, start

__all__ = ["anyio_backend", "engine", "start"]

PERSONA = (ROOT / "examples/crm/crm-assistant.yaml").read_text(encoding="utf-8")
INCLUDE = {"repertory": {"include": True}}


@pytest.fixture
def hubspot() -> Iterator[HubSpot]:
    with running_hubspot() as running:
        yield running


@pytest.fixture
def example() -> Iterator[str]:
    """The CRM as its README says it is started; yields its address."""
    command = [sys.executable, "-m", "examples.crm", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as crm:
        assert crm.stdout is not None
        line = crm.stdout.readline()
        address = re.fullmatch(r"The CRM listens on (http://127\.0\.0\.1:\d+)\n", line)
        assert address is not None, line
        yield address[1]
        crm.terminate()


@pytest.fixture(params=["guided", "native"])
async def assistant(
    start: Start, engine: FakeEngine, hubspot: HubSpot, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Gateway]:
    """The persona as its README says it is pointed at HubSpot: with a secret, at another address."""
    engine.model = scripted_model.answer
    secrets = tmp_path / "secrets.yaml"
    bound = {"value": TOKEN, "hosts": [hubspot.host], "personas": ["crm-assistant"]}
    secrets.write_text(yaml.safe_dump({"hubspot": bound}))
    persona = PERSONA.replace("http://127.0.0.1:8200", hubspot.url).replace("# secret: hubspot", "secret: hubspot")
    persona = persona.replace("calling: guided", f"calling: {request.param}")
    async with start({"crm-assistant": persona}, private_hosts=hubspot.host, secrets_file=secrets) as gateway:
        assert gateway.services.personas.problems == ()
        yield gateway


async def _ask(gateway: Gateway, *messages: Said) -> tuple[str, list[tuple[str, str]]]:
    answer = await gateway.ask("crm-assistant", *messages, extra_body=INCLUDE)
    steps = answer.model_dump()["repertory"]["steps"]
    return answer.choices[0].message.content or "", [(step["action"], step["state"]) for step in steps]


@pytest.mark.anyio
async def test_the_persona_looks_a_contact_up_reads_deals_and_logs_a_note_after_approval(
    assistant: Gateway, hubspot: HubSpot
) -> None:
    found, looked_up = await _ask(assistant, "Search the contacts for 'Maren Aldersund'.")
    deals, read = await _ask(assistant, "Which deals does '101' have?")
    asked = "Please make a note on '101': 'Wants the refit done in May.'"
    waiting, pending = await _ask(assistant, asked)

    assert looked_up == [("search_contacts", "done")]
    assert '"id": "101"' in found
    assert read == [("deals_of_contact", "done")]
    assert "Aldersund winter refit" in deals
    assert pending == [("add_note_to_contact", "pending")]
    assert '{"contact_id":"101","text":"Wants the refit done in May."}' in waiting
    assert len(hubspot.notes()) == 1

    (approval,) = assistant.services.approvals.list(ApprovalState.PENDING)
    async with assistant.admin() as admin:
        decided = await admin.post(f"/api/approvals/{approval.id}", json={"decision": "approve"})
    told, done = await _ask(assistant, asked, {"role": "assistant", "content": waiting}, "Go on.")

    assert decided.status_code == 200
    assert approval.effect == f"POST {hubspot.url}/crm/v3/objects/notes"
    assert ("add_note_to_contact", "done") in done
    assert "Wants the refit done in May." in told
    assert hubspot.notes()[1:] == ["Wants the refit done in May."]
    assert hubspot.store.tied(("contacts", "101"), "notes") == ["901", "1001"]
    assert TOKEN not in found + deals + waiting + told


@pytest.mark.anyio
async def test_a_note_that_a_person_denies_is_not_written(assistant: Gateway, hubspot: HubSpot) -> None:
    asked = "Please make a note on '101': 'Owes us money.'"
    waiting, _ = await _ask(assistant, asked)
    (approval,) = assistant.services.approvals.list(ApprovalState.PENDING)
    async with assistant.admin() as admin:
        await admin.post(f"/api/approvals/{approval.id}", json={"decision": "deny"})

    told, _ = await _ask(assistant, asked, {"role": "assistant", "content": waiting}, "Go on.")

    assert "denied" in told
    assert len(hubspot.notes()) == 1


@pytest.mark.anyio
async def test_the_persona_tells_what_hubspot_has_against_a_call(assistant: Gateway, hubspot: HubSpot) -> None:
    hubspot.scopes.discard("crm.objects.deals.read")

    told, steps = await _ask(assistant, "Which deals does '101' have?")

    assert steps == [("deals_of_contact", "failed")]
    assert "MISSING_SCOPES" in told


@pytest.mark.anyio
async def test_the_persona_works_on_the_crm_of_the_example_without_any_secret(
    start: Start, engine: FakeEngine, example: str
) -> None:
    engine.model = scripted_model.answer
    persona = PERSONA.replace("http://127.0.0.1:8200", example)
    async with start({"crm-assistant": persona}, private_hosts=example.removeprefix("http://")) as gateway:
        found, _ = await _ask(gateway, "Search the contacts for 'Priya'.")

    assert "priya.raman@fernhill.example" in found


def test_the_crm_of_the_example_shows_people_what_it_holds(example: str) -> None:
    page = httpx.get(example, trust_env=False).text

    assert "Quarry &amp; Sons" in page
    assert "Wants the refit done before the boats go into the water in May." in page


def test_the_persona_of_the_example_is_no_part_of_the_demo() -> None:
    assert not (ROOT / "personas/crm-assistant.yaml").exists()
