"""Approvals: bound to the exact call, decided once, claimed once, never repeated after a crash."""

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from actions import ActionResult, Approval, Approvals, ApprovalState, Decision, Edit, arguments_hash
from actions.approval import TRANSITIONS
from actions.json_value import JsonObject
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import ConversationId, PersonaId, PrincipalId
from core.principal import Principal, Scope
from tests.actions.moved_clock import MovedClock

ANNA = PrincipalId("anna")
PETRA = Principal(PrincipalId("petra"), frozenset({Scope.APPROVE}))
COACH = PersonaId("scrum-coach")
TALK = ConversationId("conv-1")
ARGUMENTS: JsonObject = {"title": "A ticket", "description": "x", "priority": "low"}
EFFECT = "POST http://127.0.0.1:8100/tickets"


@pytest.fixture
def approvals(database: Database, time: MovedClock) -> Approvals:
    return Approvals(database, time, lifetime=60)


def _ask(approvals: Approvals, arguments: JsonObject | None = None, **changes: str) -> Approval:
    return approvals.request(
        PrincipalId(changes.get("principal", ANNA)),
        PersonaId(changes.get("persona", COACH)),
        ConversationId(changes.get("conversation", TALK)),
        changes.get("operation", "create_ticket"),
        ARGUMENTS if arguments is None else arguments,
        EFFECT,
    )


def _approved(approvals: Approvals) -> Approval:
    return approvals.decide(_ask(approvals).id, Decision.APPROVE, PETRA)


def test_a_request_shows_what_would_happen(approvals: Approvals) -> None:
    asked = _ask(approvals)

    assert approvals.list() == [asked]
    assert (asked.persona, asked.operation, asked.arguments, asked.effect) == (
        "scrum-coach",
        "create_ticket",
        ARGUMENTS,
        EFFECT,
    )
    assert (asked.state, asked.created_at, asked.expires_at) == (ApprovalState.PENDING, 1_000, 1_060)


def test_the_same_call_asked_twice_is_one_approval(approvals: Approvals) -> None:
    reordered: JsonObject = dict(reversed(list(ARGUMENTS.items())))

    assert _ask(approvals, reordered).id == _ask(approvals).id


@pytest.mark.parametrize(
    "changes",
    [{"principal": "eve"}, {"persona": "other"}, {"conversation": "conv-2"}, {"operation": "delete_ticket"}],
)
def test_another_caller_persona_conversation_or_operation_is_another_approval(
    approvals: Approvals, changes: dict[str, str]
) -> None:
    approved = _approved(approvals)

    other = _ask(approvals, None, **changes)

    assert other.id != approved.id
    assert other.state is ApprovalState.PENDING


def test_an_approval_is_not_found_for_other_arguments(approvals: Approvals) -> None:
    approved = _approved(approvals)
    changed: JsonObject = {**ARGUMENTS, "priority": "high"}

    assert approvals.find(ANNA, COACH, TALK, "create_ticket", arguments_hash(ARGUMENTS)) == approved
    assert approvals.find(ANNA, COACH, TALK, "create_ticket", arguments_hash(changed)) is None
    assert approvals.find(PrincipalId("eve"), COACH, TALK, "create_ticket") is None


def test_a_decision_names_who_made_it_and_is_made_once(approvals: Approvals) -> None:
    asked = _ask(approvals)

    denied = approvals.decide(asked.id, Decision.DENY, PETRA)

    assert (denied.state, denied.decided_by) == (ApprovalState.DENIED, "petra")
    with pytest.raises(Conflict, match="is denied by 'petra', no longer pending"):
        approvals.decide(asked.id, Decision.APPROVE, PETRA)
    assert not approvals.claim(asked.id)


def test_an_edited_call_is_claimed_for_what_it_does_now_and_keeps_what_was_asked(approvals: Approvals) -> None:
    asked = _ask(approvals)
    edit = Edit({**ARGUMENTS, "priority": "high"}, f"{EFFECT}?high")

    edited = approvals.decide(asked.id, Decision.EDIT, PETRA, edit=edit)

    assert (edited.arguments, edited.effect, edited.edited) == (ARGUMENTS, EFFECT, edit)
    assert (edited.final_arguments["priority"], edited.final_effect) == ("high", f"{EFFECT}?high")
    assert _ask(approvals).id == asked.id  # the same call asked for again is the one that was edited
    assert not approvals.claim(asked.id, effect=EFFECT)
    assert approvals.claim(asked.id, effect=f"{EFFECT}?high")
    with pytest.raises(Conflict):
        approvals.decide(asked.id, Decision.EDIT, PETRA, edit=edit)


def test_an_approval_that_nobody_decides_expires(approvals: Approvals, time: MovedClock) -> None:
    asked = _ask(approvals)
    time.now += 60

    assert approvals.get(asked.id).state is ApprovalState.EXPIRED
    with pytest.raises(Conflict, match="is expired"):
        approvals.decide(asked.id, Decision.APPROVE, PETRA)
    assert _ask(approvals).id != asked.id


def test_an_approval_that_nobody_uses_expires(approvals: Approvals, time: MovedClock) -> None:
    approved = _approved(approvals)
    time.now += 60

    assert not approvals.claim(approved.id)
    assert approvals.get(approved.id).state is ApprovalState.EXPIRED


def test_a_pending_call_cannot_be_claimed(approvals: Approvals) -> None:
    assert not approvals.claim(_ask(approvals).id)


def test_an_approval_is_not_claimed_for_another_effect(approvals: Approvals) -> None:
    approved = _approved(approvals)

    assert not approvals.claim(approved.id, effect="POST http://elsewhere.example/tickets")
    assert approvals.claim(approved.id, effect=EFFECT)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (ActionResult("filed", 201, ok=True), ApprovalState.DONE),
        (ActionResult("no", 400, ok=False), ApprovalState.FAILED),
        (ActionResult("silence", None, ok=False, certain=False), ApprovalState.UNKNOWN),
    ],
)
def test_the_result_of_a_claimed_call_is_kept(
    approvals: Approvals, result: ActionResult, state: ApprovalState
) -> None:
    approved = _approved(approvals)
    assert approvals.claim(approved.id)

    finished = approvals.finish(approved.id, result)

    assert (finished.state, finished.result) == (state, result)
    assert approvals.list(state) == [finished]
    assert not approvals.claim(approved.id)


def test_a_call_that_was_not_claimed_has_no_result(approvals: Approvals) -> None:
    with pytest.raises(Conflict, match="Only a claimed call has a result"):
        approvals.finish(_approved(approvals).id, ActionResult("filed", 201, ok=True))


def test_after_a_crash_a_sent_call_is_unknown_and_never_repeated(
    approvals: Approvals, database: Database, time: MovedClock
) -> None:
    approved = _approved(approvals)
    assert approvals.claim(approved.id)

    restarted = Approvals(database, time)

    assert restarted.mark_interrupted() == 1
    assert [one.id for one in restarted.list(ApprovalState.UNKNOWN)] == [approved.id]
    assert not restarted.claim(approved.id)
    with pytest.raises(Conflict):
        restarted.decide(approved.id, Decision.APPROVE, PETRA)


def test_a_call_that_was_sent_and_never_reported_becomes_unknown_by_itself(
    approvals: Approvals, time: MovedClock
) -> None:
    approved = _approved(approvals)
    assert approvals.claim(approved.id)
    time.now += 300

    assert approvals.get(approved.id).state is ApprovalState.UNKNOWN


def test_an_unknown_id_is_not_found(approvals: Approvals) -> None:
    with pytest.raises(NotFound, match="'appr-none'"):
        approvals.decide("appr-none", Decision.APPROVE, PETRA)
    with pytest.raises(NotFound):
        approvals.get("appr-none")
    assert not approvals.claim("appr-none")


def test_every_state_has_its_transitions_and_sent_is_reached_once() -> None:
    assert set(TRANSITIONS) == set(ApprovalState)
    assert [state for state, targets in TRANSITIONS.items() if ApprovalState.SENT in targets] == [
        ApprovalState.APPROVED
    ]
    assert not any(
        ApprovalState.APPROVED in targets for state, targets in TRANSITIONS.items() if state != "pending"
    )


def test_of_many_threads_exactly_one_claims(database: Database, approvals: Approvals) -> None:
    approved = _approved(approvals)
    start = threading.Barrier(8)

    def claim(_: int) -> bool:
        start.wait()
        return approvals.claim(approved.id)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(claim, range(8))) == [False] * 7 + [True]


def test_of_opposite_decisions_at_once_exactly_one_counts(database: Database, approvals: Approvals) -> None:
    asked = _ask(approvals)
    start = threading.Barrier(6)

    def decide(number: int) -> bool:
        start.wait()
        try:
            approvals.decide(asked.id, Decision.APPROVE if number % 2 else Decision.DENY, PETRA)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(decide, range(6))) == [False] * 5 + [True]


def test_the_same_call_asked_at_once_is_one_approval(approvals: Approvals) -> None:
    start = threading.Barrier(6)

    def ask(_: int) -> str:
        start.wait()
        return _ask(approvals).id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1


def _claim_in_process(path: Path, ids: list[str]) -> list[str]:
    database = Database(path)
    claimed = [one for one in ids if Approvals(database, lambda: 1_000.0).claim(one)]
    database.close()
    return claimed


def test_two_processes_claim_each_approval_once(database: Database, approvals: Approvals) -> None:
    ids = []
    for number in range(20):
        asked = _ask(approvals, {"title": str(number)})
        ids.append(approvals.decide(asked.id, Decision.APPROVE, PETRA).id)

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        first, second = pool.map(_claim_in_process, [database.path] * 2, [ids, ids[::-1]])

    assert sorted(first + second) == sorted(ids)


def test_only_calls_of_the_meant_personas_are_blanked_and_that_is_told_once(approvals: Approvals) -> None:
    denied = approvals.decide(_ask(approvals).id, Decision.DENY, PETRA)
    told: list[str] = []

    def forget(*personas: PersonaId) -> int:
        return approvals.forget([TALK], personas=personas, blanked=lambda _: told.append("blanked"))

    assert forget(PersonaId("other")) == 0
    assert approvals.get(denied.id).arguments == ARGUMENTS
    assert (forget(COACH), forget(COACH)) == (1, 0)
    assert approvals.get(denied.id).arguments == {}
    assert told == ["blanked"]
