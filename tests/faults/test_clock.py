"""The wall clock jumps: nothing is done twice, no result is lost, and no wait is measured with it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from actions import Approvals, ApprovalState, Decision
from actions.approvals import DAY
from actions.result import ActionResult
from actions.tables import metadata
from core.database import Database
from core.ids import ConversationId, PersonaId, PrincipalId
from core.principal import Principal, Scope
from tests.actions.moved_clock import MovedClock
from tests.engine.server import ROOT

WHO, PERSONA, TALK = PrincipalId("key:ada"), PersonaId("plain"), ConversationId("talk")
DECIDER = Principal(PrincipalId("key:boss"), frozenset({Scope.APPROVE}))
WALL_CLOCK = {"core/blobs.py", "core/clock.py", "retrieval/sync.py"}
"""Which parts look at the wall: the clock that is passed in, drafts and a sync for the dates of files."""
COMMANDS = ("server/cli/", "server/diagnosis/")
"""Commands that a person starts tell dates and ages of files."""


@pytest.fixture
def wall() -> MovedClock:
    return MovedClock()


@pytest.fixture
def approvals(tmp_path: Path, wall: MovedClock) -> Iterator[Approvals]:
    database = Database(tmp_path / "repertory.db")
    metadata.create_all(database.engine)
    yield Approvals(database, wall)
    database.close()


def _ask(approvals: Approvals, amount: int) -> str:
    return approvals.request(WHO, PERSONA, TALK, "pay", {"amount": amount}, f"POST /pay/{amount}").id


def test_a_jump_ahead_during_a_call_does_not_lose_its_result(approvals: Approvals, wall: MovedClock) -> None:
    call = _ask(approvals, 1)
    approvals.decide(call, Decision.APPROVE, DECIDER)
    assert approvals.claim(call)
    wall.now += 2 * DAY
    _ask(approvals, 2)  # any writer sweeps; the call under way looks forgotten
    assert approvals.get(call).state is ApprovalState.UNKNOWN
    approvals.finish(call, ActionResult("paid", 200, ok=True))
    assert approvals.get(call).state is ApprovalState.DONE
    assert not approvals.claim(call)


def test_a_jump_ahead_lets_approvals_expire_and_none_of_them_is_sent(
    approvals: Approvals, wall: MovedClock
) -> None:
    call = _ask(approvals, 1)
    approvals.decide(call, Decision.APPROVE, DECIDER)
    wall.now += 2 * DAY
    assert not approvals.claim(call)
    wall.now -= 2 * DAY
    assert approvals.get(call).state is ApprovalState.EXPIRED
    assert not approvals.claim(call)


def test_a_jump_back_does_not_make_an_old_decision_the_newest(approvals: Approvals, wall: MovedClock) -> None:
    old = _ask(approvals, 1)
    approvals.decide(old, Decision.DENY, DECIDER)
    wall.now -= 2 * DAY
    new = _ask(approvals, 2)
    found = approvals.find(WHO, PERSONA, TALK, "pay")
    assert found is not None
    assert found.id == new


def test_no_wait_and_no_rate_is_measured_with_the_wall_clock() -> None:
    packages = ("core", "server", "retrieval", "adapters", "actions", "integrations")
    files = [path for name in packages for path in (ROOT / name).rglob("*.py")]
    using = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if re.search(r"\btime\.time\b|datetime\.now|utcnow", path.read_text(encoding="utf-8"))
    }
    assert {path for path in using if not path.startswith(COMMANDS)} == WALL_CLOCK
