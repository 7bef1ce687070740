"""The journal: a call is written down before it is sent, and what is not known is said to be so."""

from dataclasses import replace

import pytest

from actions import ActionResult, Approvals, CallState, Decision, Intent, Journal, arguments_hash
from actions.call import CALL_TRANSITIONS, Call
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import ConversationId, PersonaId, PrincipalId
from core.principal import Principal, Scope
from tests.actions.moved_clock import MovedClock

PETRA = Principal(PrincipalId("petra"), frozenset({Scope.APPROVE}))
INTENT = Intent(
    principal=PrincipalId("anna"),
    persona=PersonaId("clerk"),
    revision="0123456789abcdef",
    conversation=ConversationId("conv-1"),
    operation="look_up",
    target="GET https://crm.example",
    arguments={"who": "Ada"},
)
DONE = ActionResult("there", 200, ok=True)


@pytest.fixture
def journal(database: Database, time: MovedClock) -> Journal:
    return Journal(database, time)


def _only(journal: Journal) -> Call:
    (call,) = journal.list(limit=10).calls
    return call


def test_a_call_is_intended_then_sent_then_done(journal: Journal, time: MovedClock) -> None:
    call_id = journal.intend(INTENT)
    assert _only(journal).state is CallState.INTENDED
    time.now += 1
    journal.sent(call_id)
    assert (_only(journal).state, _only(journal).sent_at) == (CallState.SENT, 1_001)
    time.now += 1
    journal.sent(call_id, 2)
    journal.finish(call_id, DONE)

    call = _only(journal)
    assert (call.state, call.status, call.attempts) == (CallState.DONE, 200, 2)
    assert (call.created_at, call.sent_at, call.finished_at) == (1_000, 1_001, 1_002)
    assert (call.principal, call.persona, call.revision) == ("anna", "clerk", "0123456789abcdef")
    assert (call.arguments_hash, call.arguments) == (arguments_hash({"who": "Ada"}), None)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (ActionResult("no", 400, ok=False), CallState.FAILED),
        (ActionResult("silence", None, ok=False, certain=False), CallState.UNKNOWN),
    ],
)
def test_what_came_of_a_call_is_told_apart(journal: Journal, result: ActionResult, state: CallState) -> None:
    call_id = journal.intend(INTENT)
    journal.sent(call_id)
    journal.finish(call_id, result)

    assert _only(journal).state is state


def test_arguments_are_kept_only_where_the_operator_says_so(database: Database, time: MovedClock) -> None:
    Journal(database, time, keep_arguments=True).intend(INTENT)

    assert _only(Journal(database, time)).arguments == {"who": "Ada"}


def test_after_a_crash_what_was_sent_is_unknown_and_what_was_not_is_dropped(
    database: Database, journal: Journal, time: MovedClock
) -> None:
    sent, _intended, done = (journal.intend(INTENT) for _ in range(3))
    for call_id in (sent, done):
        journal.sent(call_id)
    journal.finish(done, DONE)

    restarted = Journal(database, time)

    assert restarted.mark_interrupted() == 2
    states = [one.state for one in reversed(restarted.list(limit=10).calls)]
    assert states == [CallState.UNKNOWN, CallState.DROPPED, CallState.DONE]
    assert restarted.mark_interrupted() == 0


def test_a_call_by_hand_beside_which_a_server_starts_is_not_sent_or_tells_what_came_of_it(
    database: Database, journal: Journal, time: MovedClock
) -> None:
    sent, intended = (journal.intend(INTENT) for _ in range(2))
    journal.sent(sent)

    Journal(database, time).mark_interrupted()

    with pytest.raises(Conflict, match="not sent"):
        journal.sent(intended)
    journal.finish(sent, DONE)
    states = [one.state for one in reversed(journal.list(limit=10).calls)]
    assert states == [CallState.DONE, CallState.DROPPED]


def test_a_call_that_is_over_does_not_change_any_more(journal: Journal) -> None:
    call_id = journal.intend(INTENT)
    journal.sent(call_id)
    journal.finish(call_id, DONE)

    with pytest.raises(Conflict, match="given up"):
        journal.sent(call_id, 2)
    journal.abandon(call_id)
    journal.finish(call_id, ActionResult("no", 400, ok=False))

    assert (_only(journal).state, _only(journal).attempts) == (CallState.DONE, 1)


def test_an_approved_call_is_written_with_its_claim_or_not_at_all(
    database: Database, journal: Journal, time: MovedClock
) -> None:
    approvals = Approvals(database, time)
    asked = approvals.request(INTENT.principal, INTENT.persona, INTENT.conversation, "remove", {}, "DELETE x")
    intent = replace(INTENT, operation="remove", arguments={}, approval=asked.id, decided_by="petra")
    assert not approvals.claim(asked.id, claimed=lambda c: journal.claimed(c, "call-1", intent))
    assert journal.list(limit=10).calls == ()

    approvals.decide(asked.id, Decision.APPROVE, PETRA)
    assert approvals.claim(asked.id, claimed=lambda c: journal.claimed(c, "call-1", intent))
    assert not approvals.claim(asked.id, claimed=lambda c: journal.claimed(c, "call-2", intent))
    call = _only(journal)
    assert (call.state, call.approval, call.decided_by) == (CallState.SENT, asked.id, "petra")

    approvals.finish(asked.id, DONE, finished=lambda c: journal.finished(c, "call-1", DONE))
    assert _only(journal).state is CallState.DONE
    with pytest.raises(Conflict):
        approvals.finish(asked.id, DONE, finished=lambda c: journal.finished(c, "call-1", DONE))


def test_calls_are_found_by_persona_state_and_approval_page_by_page(journal: Journal) -> None:
    ids = [journal.intend(replace(INTENT, persona=PersonaId(name))) for name in ("clerk", "coach", "clerk")]
    journal.abandon(ids[0])

    first = journal.list(limit=2)
    assert ([one.id for one in first.calls], first.more) == ([ids[2], ids[1]], True)
    assert [one.id for one in journal.list(limit=2, after=ids[1]).calls] == [ids[0]]
    assert [one.id for one in journal.list(limit=9, persona="coach").calls] == [ids[1]]
    assert [one.id for one in journal.list(limit=9, state=CallState.DROPPED).calls] == [ids[0]]
    assert journal.list(limit=9, approval="appr-1").calls == ()
    assert journal.list(limit=9, personas=[]).calls == ()
    with pytest.raises(NotFound, match="'call-none'"):
        journal.list(limit=9, after="call-none")


def test_old_calls_are_deleted_and_open_ones_are_not(journal: Journal, time: MovedClock) -> None:
    over, still_open = journal.intend(INTENT), journal.intend(INTENT)
    journal.abandon(over)
    time.now += 100
    young = journal.intend(INTENT)
    journal.abandon(young)

    assert journal.prune(before=1_050) == 1
    assert [one.id for one in journal.list(limit=9).calls] == [young, still_open]


def test_forgetting_a_conversation_blanks_what_its_calls_said(database: Database, time: MovedClock) -> None:
    journal = Journal(database, time, keep_arguments=True)
    for conversation in ("conv-1", "conv-2"):
        journal.abandon(journal.intend(replace(INTENT, conversation=ConversationId(conversation))))
    owed: list[object] = []

    assert journal.forget(["conv-1"], PrincipalId("somebody-else"), blanked=owed.append) == 0
    assert owed == []
    assert journal.forget(["conv-1"], INTENT.principal, personas=[INTENT.persona], blanked=owed.append) == 1
    assert len(owed) == 1
    kept, blank = journal.list(limit=9).calls
    assert (blank.arguments, blank.arguments_hash, blank.operation) == (None, "", "look_up")
    assert kept.arguments == {"who": "Ada"}


def test_every_state_has_its_transitions_and_what_came_of_a_call_is_final() -> None:
    assert set(CALL_TRANSITIONS) == set(CallState)
    assert [state for state, targets in CALL_TRANSITIONS.items() if targets] == [
        CallState.INTENDED,
        CallState.SENT,
        CallState.UNKNOWN,
    ]
