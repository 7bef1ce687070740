"""The judged set of calls fits its document, and only an exact call counts as exact."""

import json
from collections import Counter
from pathlib import Path

import httpx
import pytest

from actions import ActionConfig, ActionSet, NetworkGrants, Secrets
from benchmarks.calling.judged import DOCUMENT, WAYS, Asked, questions, write_personas
from benchmarks.calling.service import recording
from benchmarks.calling.watched import Attempt, Verdict, judge
from core.ids import PersonaId
from server.assembly import action_loader
from server.personas.loader import load_folder
from server.settings import ROOT, Settings

ASKED = Asked("library", "Extend loan 3 by 7 days.", "extend_loan", {"loan": 3, "days": 7})


@pytest.fixture(scope="module")
def actions() -> ActionSet:
    return ActionSet.load(
        [ActionConfig(document=DOCUMENT)],
        root=ROOT,
        grants=NetworkGrants.parse([]),
        secrets=Secrets.none(),
        persona=PersonaId("judged"),
    )


def test_each_of_sixty_operations_or_more_has_one_question(actions: ActionSet) -> None:
    asked = questions()
    assert len(actions.operations) >= 60
    assert not actions.skipped
    assert Counter(one.operation for one in asked) == Counter(one.name for one in actions.operations)
    assert len({one.question for one in asked}) == len(asked)
    assert set(Counter(one.persona for one in asked).values()) == {8}


def test_no_two_schemas_are_alike(actions: ActionSet) -> None:
    schemas = [json.dumps(one.parameters, sort_keys=True) for one in actions.operations]
    with_arguments = [one for one in schemas if '"properties": {}' not in one]
    assert len(with_arguments) >= 55
    assert len(set(with_arguments)) == len(with_arguments)


@pytest.mark.parametrize("asked", questions(), ids=lambda one: one.operation)
def test_the_call_that_answers_a_question_fits_its_operation(actions: ActionSet, asked: Asked) -> None:
    arguments = actions.validate(asked.operation, json.dumps(asked.arguments))
    assert actions.prepare(asked.operation, arguments).url.port == 8101


def test_the_personas_may_call_everything_without_asking(tmp_path: Path) -> None:
    write_personas(tmp_path / "personas", "http://127.0.0.1:9", questions())
    loaded = load_folder(tmp_path / "personas", action_loader(Settings(private_hosts=("127.0.0.1:9",))))
    assert not loaded.problems
    for asked in questions():
        for way in WAYS:
            persona = loaded.personas[asked.model(way)]
            assert persona.spec.calling == way
            assert not persona.actions.get(asked.operation).consequential


def judged(actions: ActionSet, *attempts: tuple[str, str]) -> Verdict:
    tried = [Attempt(name, arguments, 1.0 + place, cut=False) for place, (name, arguments) in enumerate(attempts)]
    return judge(ASKED, tried, actions, seconds=9.0, arrived=1)


def test_the_right_call_is_exact(actions: ActionSet) -> None:
    verdict = judged(actions, ("extend_loan", '{"days": 7, "loan": 3}'))
    assert (verdict.first, verdict.valid, verdict.right, verdict.exact) == (True, True, True, True)
    assert verdict.call_seconds == 1.0


def test_what_fits_the_schema_and_is_not_asked_for_is_wrong(actions: ActionSet) -> None:
    other_value = judged(actions, ("extend_loan", '{"days": 14, "loan": 3}'))
    assert (other_value.valid, other_value.right, other_value.exact) == (True, True, False)
    other_operation = judged(actions, ("return_book", '{"loan": 3}'))
    assert (other_operation.valid, other_operation.right, other_operation.exact) == (True, False, False)


def test_a_corrected_try_counts_as_the_second(actions: ActionSet) -> None:
    verdict = judged(actions, ("extend_loan", '{"days": 8, "loan": 3}'), ("extend_loan", '{"days": 7, "loan": 3}'))
    assert (verdict.first, verdict.valid, verdict.exact, verdict.call_seconds) == (False, True, True, 2.0)


def test_what_cannot_be_read_is_no_call(actions: ActionSet) -> None:
    verdict = judged(actions, ("", "<tool_call>\n{"), ("extend_loan", '{"days": 7, "lo'))
    assert (verdict.tried, verdict.valid, verdict.right, verdict.exact) == (True, False, False, False)
    assert verdict.call_seconds is None
    assert not judged(actions).tried


def test_the_service_writes_down_what_arrives() -> None:
    with recording() as service, httpx.Client(base_url=f"http://{service.address}", trust_env=False) as client:
        assert client.put("/beds/4?x=1", json={"soil": "clay"}).json() == {"done": True}
        assert client.get("/weather").json() == {"done": True}
        assert service.calls == ["PUT /beds/4?x=1", "GET /weather"]
