"""States follow the table and nothing else; production is moved by one hand at a time."""

import re
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import BaseModel, Registry, TransitionRefused, VersionState, tables
from adapters.demands import COMMAND_LINE
from adapters.retirement import WHOLE, AdapterRetired, Retirement
from adapters.version import TRANSITIONS, Road
from core.database import Database
from core.errors import Conflict, NotFound, PermissionDenied
from tests.adapters.conftest import LIMITS, Ticker
from tests.adapters.tiny import make_adapter

S = VersionState


@pytest.fixture
def three(registry: Registry, base: BaseModel, tmp_path: Path) -> Registry:
    for seed in range(3):
        registry.import_folder(make_adapter(tmp_path / str(seed), seed=seed), "coach", base=base, limits=LIMITS)
    return registry


def use(registry: Registry, version: int) -> None:
    registry.promote("coach", version, by="ann", reason="trial", override=True)


def step(registry: Registry, *states: VersionState, version: int = 1) -> None:
    for state in states:
        registry.transition("coach", version, state, by="gate", reason="passed")


def test_a_version_goes_all_the_way_through_the_gate_without_an_override(three: Registry) -> None:
    step(three, S.EVALUATED, S.CANDIDATE)
    three.approve("coach", 1, by="bob")
    step(three, S.SHADOW, S.CANARY, S.PRODUCTION)
    production = three.production("coach")
    assert production is not None
    assert (production.version, production.state) == (1, S.PRODUCTION)
    assert [entry.override for entry in three.history("coach") if entry.version == 1] == [False] * 7


def test_an_ungated_version_needs_an_override_with_a_reason_and_both_are_recorded(three: Registry) -> None:
    for override, reason in ((False, "why not"), (True, ""), (True, "  ")):
        with pytest.raises(PermissionDenied) as refusal:
            three.promote("coach", 1, by="ann", reason=reason, override=override)
        assert refusal.value.code == "override_needed"
    assert three.production("coach") is None
    three.promote("coach", 1, by="ann", reason="demo", override=True)
    last = three.history("coach")[-1]
    assert (last.by, last.reason, last.override) == ("ann", "demo", True)
    assert (last.from_state, last.to_state) == (S.TRAINED, S.PRODUCTION)


def test_promoting_another_version_retires_the_first(three: Registry) -> None:
    use(three, 1)
    use(three, 2)
    assert [version.state for version in three.list("coach")] == [S.RETIRED, S.PRODUCTION, S.TRAINED]
    previous = three.previous("coach")
    assert previous is not None
    assert previous.version == 1


def test_promoting_what_answers_already_changes_nothing(three: Registry) -> None:
    use(three, 1)
    before = three.history("coach")
    three.promote("coach", 1, by="bob")
    assert three.history("coach") == before


def test_rollback_goes_back_step_by_step_until_nothing_answered_before(three: Registry) -> None:
    for version in (1, 2, 3):
        use(three, version)
    assert three.rollback("coach", by="ann", reason="rude answers").version == 2
    assert three.rollback("coach", by="ann").version == 1
    with pytest.raises(TransitionRefused) as refusal:
        three.rollback("coach", by="ann")
    assert refusal.value.code == "no_previous_version"
    assert [version.state for version in three.list("coach")] == [S.PRODUCTION, S.ROLLED_BACK, S.ROLLED_BACK]
    assert "rude answers" in {entry.reason for entry in three.history("coach")}


def test_a_version_that_was_rolled_back_is_never_gone_back_to(three: Registry) -> None:
    use(three, 1)
    use(three, 2)
    three.rollback("coach", by="ann")
    use(three, 3)
    assert three.rollback("coach", by="ann").version == 1


def test_rollback_without_production_says_so(three: Registry) -> None:
    with pytest.raises(NotFound) as refusal:
        three.rollback("coach", by="ann")
    assert refusal.value.code == "adapter_not_in_production"


def test_a_rejected_version_never_answers_not_even_with_an_override(three: Registry) -> None:
    step(three, S.EVALUATED, S.REJECTED)
    with pytest.raises(TransitionRefused):
        use(three, 1)


def test_what_answers_users_is_not_taken_away_without_a_successor(three: Registry) -> None:
    use(three, 1)
    for state in (S.RETIRED, S.ROLLED_BACK):
        with pytest.raises(TransitionRefused) as refusal:
            step(three, state)
        assert refusal.value.code == "version_in_production"


def test_the_table_of_transitions_is_the_one_that_was_agreed() -> None:
    steps = {(before.value, after.value) for (before, after), road in TRANSITIONS.items() if road is Road.STEP}
    assert steps == {
        ("trained", "evaluated"),
        ("evaluated", "candidate"),
        ("evaluated", "rejected"),
        ("approved", "shadow"),
        ("approved", "canary"),
        ("approved", "production"),
        ("shadow", "canary"),
        ("canary", "production"),
        ("production", "retired"),
        ("shadow", "rolled_back"),
        ("canary", "rolled_back"),
        ("production", "rolled_back"),
    }
    approvals = {pair for pair, road in TRANSITIONS.items() if road is Road.APPROVAL}
    assert approvals == {(S.CANDIDATE, S.APPROVED)}


def test_a_version_is_approved_by_someone_other_than_its_author(three: Registry) -> None:
    step(three, S.EVALUATED, S.CANDIDATE)
    with pytest.raises(PermissionDenied) as refusal:
        three.approve("coach", 1, by="import")
    assert refusal.value.code == "approval_by_author"
    assert three.approve("coach", 1, by="bob", reason="reads well").state is S.APPROVED
    last = three.history("coach")[-1]
    assert (last.by, last.reason, last.override) == ("bob", "reads well", False)


def test_whoever_made_it_on_the_server_is_not_told_apart_from_the_first_admin_key(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    registry.import_folder(make_adapter(tmp_path / "one"), "coach", base=base, limits=LIMITS, by=COMMAND_LINE)
    step(registry, S.EVALUATED, S.CANDIDATE)
    with pytest.raises(PermissionDenied):
        registry.approve("coach", 1, by="key:admin")
    registry.approve("coach", 1, by="key:admin", reason="nobody else is here", override=True)
    assert registry.history("coach")[-1].override is True


def test_what_no_evaluation_let_pass_is_approved_only_by_an_override_with_a_reason(three: Registry) -> None:
    with pytest.raises(PermissionDenied) as refusal:
        three.approve("coach", 1, by="bob", reason="I like it")
    assert refusal.value.code == "override_needed"
    assert three.approve("coach", 1, by="bob", reason="I like it", override=True).state is S.APPROVED


def test_a_version_answers_no_more_after_its_date_and_names_its_successor(three: Registry) -> None:
    use(three, 1)
    use(three, 2)
    with pytest.raises(TransitionRefused, match="answers users now"):
        three.retire(Retirement("coach", 2, 0.0, "coach@3", "ann", "old", 0.0))
    three.retire(Retirement("coach", 1, 0.0, "coach@2", "ann", "old", 0.0))
    with pytest.raises(AdapterRetired, match="Use 'coach@2' instead"):
        use(three, 1)
    with pytest.raises(AdapterRetired):
        three.rollback("coach", by="ann")
    assert three.path("coach", 1).is_dir()


def test_a_version_with_a_date_does_not_begin_to_answer(three: Registry) -> None:
    use(three, 1)
    three.retire(Retirement("coach", 2, 4e9, "coach@3", "ann", "old", 0.0))
    with pytest.raises(Conflict, match=r"retired on 2096-10-02 07:06 UTC.*Use 'coach@3' instead"):
        use(three, 2)
    three.retire(Retirement("coach", WHOLE, 4e9, "", "ann", "all of it ends", 0.0))
    use(three, 3)  # which ends with its adapter, whichever version answers
    assert three.rollback("coach", by="ann").version == 1


def test_the_gate_releases_nothing_older_than_what_has_answered(three: Registry) -> None:
    use(three, 1)
    for number in (2, 3):
        step(three, S.EVALUATED, S.CANDIDATE, version=number)
    assert [one.version for one in three.passed("gate")] == [3]
    three.approve("coach", 3, by="gate")
    three.promote("coach", 3, by="gate")
    three.rollback("coach", by="ann", reason="rude")
    assert three.passed("gate") == []


def test_two_hands_at_once_leave_one_version_in_production(three: Registry, database: Database) -> None:
    barrier = threading.Barrier(3)

    def promote(version: int) -> None:
        barrier.wait()
        use(three, version)

    hands = [threading.Thread(target=promote, args=(version,)) for version in (1, 2, 3)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    states = sorted(version.state.value for version in three.list("coach"))
    assert states == ["production", "retired", "retired"]


moves = st.lists(
    st.tuples(st.sampled_from(["step", "use", "rollback"]), st.integers(1, 3), st.sampled_from(list(S))),
    max_size=25,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves)
def test_whatever_is_tried_at_most_one_version_answers_and_the_record_tells_every_state(
    three: Registry, database: Database, moves: list[tuple[str, int, VersionState]]
) -> None:
    _forget(database)
    registry = Registry(database, three.path("coach", 1).parent.parent, Ticker())
    for kind, version, state in moves:
        try:
            if kind == "step":
                registry.transition("coach", version, state, by="x", reason="r")
            elif kind == "use":
                registry.promote("coach", version, by="x", reason="r", override=True)
            else:
                registry.rollback("coach", by="x")
        except (TransitionRefused, PermissionDenied, NotFound):
            continue
    versions = registry.list("coach")
    told: dict[int, VersionState] = dict.fromkeys((1, 2, 3), S.TRAINED)
    for entry in registry.history("coach"):
        assert entry.from_state == told[entry.version]
        assert (entry.from_state, entry.to_state) in TRANSITIONS
        told[entry.version] = entry.to_state
    assert told == {version.version: version.state for version in versions}
    answering = [version for version in versions if version.state is S.PRODUCTION]
    production = registry.production("coach")
    assert answering == ([] if production is None else [production])


def _forget(database: Database) -> None:
    with database.write() as connection:
        connection.execute(tables.production.delete())
        connection.execute(tables.transitions.delete())
        connection.execute(tables.versions.update().values(state=S.TRAINED.value))


def test_the_document_shows_the_table_of_transitions() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rollout.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE)
    assert rows == [(before.value, after.value, road.value) for (before, after), road in TRANSITIONS.items()]
