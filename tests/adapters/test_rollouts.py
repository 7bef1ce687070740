"""Rollouts: who is assigned where, what is counted, and which steps follow each other. No server."""

import math
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters import BaseModel, Registry, TransitionRefused, VersionState
from adapters.retirement import Retirement
from adapters.rollouts.assignment import arm_of, drawn
from adapters.rollouts.course import Course, Outcome, Turn
from adapters.rollouts.observations import Observations
from adapters.rollouts.plan import STAGES, Arm, HardStops, Plan
from adapters.rollouts.ratio import is_void, ratio_p
from adapters.rollouts.rollout import Ending, Rollout
from adapters.rollouts.sequential import Finding, SequentialTest, log_ratio
from adapters.rollouts.store import Rollouts
from adapters.rollouts.tally import Fault
from core.database import Database
from core.errors import Conflict, NotFound
from tests.adapters.conftest import LIMITS, Ticker
from tests.adapters.tiny import make_adapter

S = VersionState


@pytest.fixture
def approved(registry: Registry, base: BaseModel, tmp_path: Path) -> Registry:
    """Return a registry whose `coach@1` answers and whose `coach@2` is approved."""
    for seed in range(2):
        registry.import_folder(make_adapter(tmp_path / str(seed), seed=seed), "coach", base=base, limits=LIMITS)
    registry.promote("coach", 1, by="ann", reason="first", override=True)
    registry.transition("coach", 2, S.EVALUATED, by="gate", reason="")
    registry.transition("coach", 2, S.CANDIDATE, by="gate", reason="passed")
    registry.approve("coach", 2, by="bob")
    return registry


@pytest.fixture
def rollouts(approved: Registry, database: Database) -> Rollouts:
    return Rollouts(database, approved, Ticker())


def started(rollouts: Rollouts, stage: str = "5") -> Rollout:
    return rollouts.start("coach", 2, stage=stage, plan=Plan(), by="bob", reason="a trial")


def turn(number: int, arm: Arm, *, stage: str = "50", fault: Fault = Fault.NONE, seconds: float = 1.0) -> Turn:
    return Turn("r", f"answer-{arm.value}-{number}", arm, f"{arm.value}{number}", stage, fault, seconds, 0.0)


def test_a_ramp_keeps_everyone_who_has_met_a_version_with_it() -> None:
    numbers = [drawn("r", "salt", f"user{one}")[0] for one in range(5_000)]
    for before, after in ((0.01, 0.05), (0.05, 0.25), (0.25, 0.5), (0.5, 1.0)):
        for number in numbers:
            if arm_of(number, before) is Arm.CANARY:
                assert arm_of(number, after) is Arm.CANARY
            if arm_of(number, before) is Arm.CONTROL and after < 1:
                assert arm_of(number, after) is Arm.CONTROL


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5])
def test_as_many_users_are_compared_as_are_in_the_canary(share: float) -> None:
    arms = [arm_of(drawn("r", "salt", f"user{one}")[0], share) for one in range(20_000)]
    canary, control = arms.count(Arm.CANARY), arms.count(Arm.CONTROL)
    assert abs(canary / 20_000 - share) < 4 * math.sqrt(share * (1 - share) / 20_000)
    assert not is_void(canary, control)


def test_each_rollout_draws_anew_and_keeps_nobodys_name() -> None:
    users = [f"user{one}" for one in range(2_000)]
    first = {user for user in users if drawn("one", "salt", user)[0] < 0.5}
    second = {user for user in users if drawn("two", "salt", user)[0] < 0.5}
    assert 400 < len(first & second) < 600
    kept = drawn("one", "salt", "user1")[1]
    assert len(kept) == 32
    assert kept != drawn("two", "salt", "user1")[1]


def test_the_size_of_arms_is_judged_as_published() -> None:
    assert ratio_p(5_100, 4_900) == pytest.approx(0.0455, abs=1e-4)
    assert not is_void(5_100, 4_900)
    assert is_void(5_300, 4_700)
    assert ratio_p(0, 0) == 1.0


@pytest.mark.parametrize(("canary", "control"), [(10, 7), (5_100, 4_900), (1, 0), (300, 210)])
def test_the_chi_square_is_scipys(canary: int, control: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert ratio_p(canary, control) == pytest.approx(float(stats.chisquare([canary, control]).pvalue), rel=1e-9)


def test_the_ratio_is_that_of_the_mixture_of_likelihoods() -> None:
    """It is an integral over the prior, done here by hand: N(0, tau²) over the difference."""
    pairs, seen, variance, tau = 400, 0.08, 0.21, 0.1
    thetas = np.linspace(-1.5, 1.5, 200_001)
    spread = 2 * variance / pairs
    likelihood = np.exp(-((seen - thetas) ** 2) / (2 * spread)) / np.exp(-(seen**2) / (2 * spread))
    prior = np.exp(-(thetas**2) / (2 * tau**2)) / (tau * math.sqrt(2 * math.pi))
    mixture = float(np.sum(likelihood * prior) * (thetas[1] - thetas[0]))
    assert log_ratio(pairs, seen, variance, tau) == pytest.approx(math.log(mixture), rel=1e-6)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_two_equal_versions_are_told_apart_no_oftener_than_alpha_however_often_one_looks(share: float) -> None:
    random, wrong, runs = np.random.default_rng(7), 0, 200
    for _ in range(runs):
        test = SequentialTest(0.05, 0.1, 1_000)
        for canary, control in random.random((1_000, 2)) < share:
            test.add(canary=True, good=bool(canary))
            test.add(canary=False, good=bool(control))
        wrong += test.finding in (Finding.BETTER, Finding.WORSE)
    assert wrong <= 0.05 * runs + 2 * math.sqrt(0.05 * 0.95 * runs)


def test_a_worse_version_is_found_out_and_its_finding_stays() -> None:
    random, test = np.random.default_rng(3), SequentialTest(0.05, 0.1, 5_000)
    for canary, control in zip(random.random(3_000) < 0.7, random.random(3_000) < 0.9, strict=True):
        test.add(canary=True, good=bool(canary))
        test.add(canary=False, good=bool(control))
    assert test.finding is Finding.WORSE
    assert test.pairs < 500
    pairs = test.pairs
    test.add(canary=True, good=True)
    test.add(canary=False, good=True)
    assert (test.pairs, test.finding) == (pairs, Finding.WORSE)


def test_the_test_ends_without_a_difference_at_its_most() -> None:
    test = SequentialTest(0.05, 0.1, 50)
    for number in range(60):
        test.add(canary=True, good=number % 2 == 0)
        test.add(canary=False, good=number % 2 == 0)
    assert (test.finding, test.pairs) == (Finding.NO_DIFFERENCE, 50)


def test_each_unit_is_compared_once_and_arms_of_other_sizes_make_the_result_void() -> None:
    course = Course(Plan())
    assert course.add_turn(turn(1, Arm.CANARY))
    assert not course.add_turn(turn(1, Arm.CANARY))
    assert course.units[Arm.CANARY] == 1
    for number in range(100):
        course.add_turn(turn(number, Arm.CANARY))
    assert course.finding is Finding.VOID


def test_with_everybody_in_the_canary_nobody_is_compared() -> None:
    course = Course(Plan())
    for number in range(100):
        course.add_turn(turn(number, Arm.CANARY, stage="100"))
    assert (course.units[Arm.CANARY], course.finding) == (0, Finding.RUNNING)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.ERROR, "ended with an error"),
        (Fault.EMPTY, "were empty"),
        (Fault.TRUNCATED, "were cut off"),
        (Fault.REPEATED, "ended in a loop"),
    ],
)
def test_too_many_faults_stop_a_rollout_in_words(fault: Fault, words: str) -> None:
    course = Course(Plan())
    for number in range(20):
        course.add_turn(turn(number, Arm.CONTROL))
        course.add_turn(turn(number, Arm.CANARY, fault=fault if number % 2 else Fault.NONE))
    assert words in (course.reason_to_stop() or "")


def test_a_fault_that_both_versions_have_stops_nothing() -> None:
    course = Course(Plan())
    for number in range(40):
        course.add_turn(turn(number, Arm.CONTROL, fault=Fault.ERROR))
        course.add_turn(turn(number, Arm.CANARY, fault=Fault.ERROR))
    assert course.reason_to_stop() is None


def test_what_chance_does_to_twenty_answers_stops_nothing() -> None:
    random = np.random.default_rng(11)
    for _ in range(20):
        course = Course(Plan())
        for number in range(60):
            for arm in (Arm.CONTROL, Arm.CANARY):
                fault = Fault.TRUNCATED if random.random() < 0.3 else Fault.NONE
                course.add_turn(turn(number, arm, fault=fault))
                assert course.tally.reason_to_stop() is None


def test_slow_answers_and_unsafe_ones_stop_a_rollout() -> None:
    slow = Course(Plan())
    for number in range(50):
        assert slow.reason_to_stop() is None
        slow.add_turn(turn(number, Arm.CONTROL, seconds=1.0))
        slow.add_turn(turn(number, Arm.CANARY, seconds=2.5))
    assert "2.5 times" in (slow.reason_to_stop() or "")
    quick = Course(Plan())
    for number in range(60):
        quick.add_turn(turn(number, Arm.CONTROL, seconds=0.02))
        quick.add_turn(turn(number, Arm.CANARY, seconds=0.06))
    assert quick.reason_to_stop() is None
    unsafe = Course(Plan(stops=HardStops(unsafe=1)))
    for number in range(2):
        assert unsafe.reason_to_stop() is None
        unsafe.add_outcome(Outcome(f"a{number}", Arm.CANARY, "u", True, None, True))
    assert "2 unsafe" in (unsafe.reason_to_stop() or "")


def test_what_happened_in_the_shadow_is_no_measure_for_the_canary(database: Database, rollouts: Rollouts) -> None:
    rollout, course = started(rollouts, "shadow"), Course(Plan())
    turns = [turn(number, Arm.CONTROL, stage="shadow") for number in range(200)]
    for number in range(40):
        fault = Fault.EMPTY if number % 3 == 0 else Fault.NONE
        turns += [turn(200 + number, Arm.CONTROL, fault=fault), turn(number, Arm.CANARY, fault=fault)]
    for one in turns:
        course.add_turn(one)
        assert course.reason_to_stop() is None
    assert course.tally.arms[Arm.CONTROL].turns == 240
    kept = Observations(database, Ticker())
    kept.add([replace(one, rollout=rollout.id) for one in turns])
    again = kept.course(rollout).tally.arms
    assert [again[arm].last for arm in again] == [course.tally.arms[arm].last for arm in again]


def test_what_the_shadow_has_answered_does_not_end_the_canary() -> None:
    course = Course(Plan())
    for number in range(40):
        fault = Fault.EMPTY if number % 2 else Fault.NONE
        course.add_turn(turn(number, Arm.CONTROL, stage="shadow", fault=fault))
        course.add_turn(turn(number, Arm.SHADOW, stage="shadow", fault=fault))
        assert course.reason_to_stop() is None
    course.add_turn(turn(41, Arm.CONTROL))
    assert course.reason_to_stop() is None
    course.add_turn(turn(42, Arm.CONTROL, stage="shadow", fault=Fault.EMPTY))  # it began before the canary
    assert list(course.tally.arms[Arm.CONTROL].last) == [Fault.NONE]


def test_hard_stops_work_with_a_window_that_is_smaller_than_the_turns_before_them() -> None:
    course = Course(Plan(stops=HardStops(turns=60, window=20)))
    for number in range(60):
        assert course.tally.reason_to_stop() is None
        course.add_turn(turn(number, Arm.CONTROL))
        course.add_turn(turn(number, Arm.CANARY, fault=Fault.EMPTY))
    assert "100% of the last 20 answers" in (course.tally.reason_to_stop() or "")
    slow = Course(Plan(stops=HardStops(window=20)))
    for number in range(50):
        assert slow.reason_to_stop() is None
        slow.add_turn(turn(number, Arm.CONTROL, seconds=1.0))
        slow.add_turn(turn(number, Arm.CANARY, seconds=2.5))
    assert "2.5 times" in (slow.reason_to_stop() or "")


def test_a_version_whose_answers_nobody_waits_for_is_too_slow() -> None:
    course = Course(Plan())
    assert not course.tally.outlasts(Arm.CANARY, 30.0)  # nothing to compare with
    for number in range(50):
        assert course.reason_to_stop() is None
        course.add_turn(turn(number, Arm.CONTROL, seconds=2.0))
        assert course.tally.outlasts(Arm.CANARY, 30.0)
        course.add_turn(turn(number, Arm.CANARY, fault=Fault.ABANDONED, seconds=30.0))
    assert "15.0 times" in (course.reason_to_stop() or "")
    assert not course.tally.outlasts(Arm.CANARY, 20.0)
    assert (course.units[Arm.CANARY], course.tally.arms[Arm.CANARY].turns) == (0, 0)


def test_whoever_leaves_early_is_no_sign_of_a_fast_answer() -> None:
    course = Course(Plan())
    for number in range(20):
        course.add_turn(turn(number, Arm.CONTROL, seconds=2.0))
        course.add_turn(turn(number, Arm.CANARY, seconds=5.0))
    assert [course.tally.outlasts(Arm.CANARY, seconds) for seconds in (1.0, 3.0, 5.0)] == [False, False, True]


def test_what_was_kept_adds_up_to_the_same_as_what_was_seen(database: Database, rollouts: Rollouts) -> None:
    rollout, random = started(rollouts, "50"), np.random.default_rng(1)
    kept, seen = Observations(database, Ticker()), Course(rollout.plan)
    turns = []
    for number in range(200):
        arm = Arm.CANARY if number % 2 else Arm.CONTROL
        fault = Fault.EMPTY if random.random() < 0.1 else Fault.NONE
        turns.append(Turn(rollout.id, f"a{number}", arm, f"u{number // 4}-{arm}", "50", fault, 0.5, 0.0))
    for one in turns:
        seen.add_turn(one)
    kept.add(turns)
    kept.add(turns[:50])  # a second writing of the same changes nothing
    outcome = kept.tell(rollout.id, "a3", good=False, unsafe=True, by="ann")
    assert outcome is not None
    seen.add_outcome(outcome)
    assert kept.tell(rollout.id, "a3", good=True, unsafe=False, by="ann") is None
    again = kept.course(rollout)
    assert (again.units, again.outcomes, again.test) == (seen.units, seen.outcomes, seen.test)
    assert [again.tally.arms[arm].faults for arm in again.tally.arms] == [
        seen.tally.arms[arm].faults for arm in seen.tally.arms
    ]
    with pytest.raises(NotFound):
        kept.tell(rollout.id, "nobody", good=True, unsafe=False, by="ann")


def test_a_rollout_goes_from_shadow_to_production_and_its_steps_say_who_and_why(
    rollouts: Rollouts, approved: Registry
) -> None:
    rollout = started(rollouts, "shadow")
    assert approved.get("coach", 2).state is S.SHADOW
    for stage in STAGES[1:-1]:
        rollout = rollouts.advance(rollout.id, stage, by="bob", reason=f"to {stage}")
        assert approved.get("coach", 2).state is S.CANARY
    ended = rollouts.advance(rollout.id, "production", by="bob", reason="good")
    assert (ended.outcome, ended.share) == (Ending.PROMOTED, 0.0)
    assert [approved.get("coach", number).state for number in (1, 2)] == [S.RETIRED, S.PRODUCTION]
    steps = rollouts.steps(rollout.id)
    assert [one.did for one in steps] == ["start", *["advance"] * 6]
    assert {one.by for one in steps} == {"bob"}


def test_a_stop_rolls_the_version_back_and_is_final(rollouts: Rollouts, approved: Registry) -> None:
    rollout = started(rollouts)
    stopped = rollouts.stop(rollout.id, by="ann", reason="rude")
    assert rollouts.stop(rollout.id, by="bob", reason="rude") == stopped
    assert [approved.get("coach", number).state for number in (1, 2)] == [S.PRODUCTION, S.ROLLED_BACK]
    with pytest.raises(Conflict, match="has ended: stopped"):
        rollouts.advance(rollout.id, "50", by="bob")


def test_a_rollout_does_not_go_back_and_not_on_while_it_is_paused(rollouts: Rollouts) -> None:
    rollout = started(rollouts, "25")
    with pytest.raises(Conflict, match="already"):
        rollouts.advance(rollout.id, "5", by="bob")
    assert rollouts.pause(rollout.id, by="bob").share == 0.0
    with pytest.raises(Conflict, match="paused"):
        rollouts.advance(rollout.id, "50", by="bob")
    assert rollouts.pause(rollout.id, by="bob", paused=False).share == 0.25


def test_only_an_approved_version_beside_one_in_production_is_tried(
    rollouts: Rollouts, approved: Registry, base: BaseModel, tmp_path: Path
) -> None:
    approved.import_folder(make_adapter(tmp_path / "third", seed=9), "coach", base=base, limits=LIMITS)
    with pytest.raises(TransitionRefused, match="'trained'"):
        rollouts.start("coach", 3, stage="5", plan=Plan(), by="bob")
    approved.import_folder(make_adapter(tmp_path / "other", seed=8), "clerk", base=base, limits=LIMITS)
    approved.approve("clerk", 1, by="bob", reason="alone", override=True)
    with pytest.raises(Conflict, match="nothing to compare"):
        rollouts.start("clerk", 1, stage="5", plan=Plan(), by="bob")


def test_while_a_rollout_is_under_way_nothing_else_moves_production(
    rollouts: Rollouts, approved: Registry
) -> None:
    started(rollouts)
    with pytest.raises(Conflict) as refusal:
        approved.promote("coach", 2, by="ann", reason="now", override=True)
    assert refusal.value.code == "rollout_under_way"
    with pytest.raises(Conflict):
        approved.rollback("coach", by="ann")
    with pytest.raises(Conflict, match="under way"):
        started(rollouts)


def test_a_version_on_trial_is_not_retired_and_one_with_a_date_not_tried(
    rollouts: Rollouts, approved: Registry
) -> None:
    rollout, end = started(rollouts), Retirement("coach", 2, 4e9, "", "ann", "old", 0.0)
    with pytest.raises(TransitionRefused, match=f"rollout stop {rollout.id}"):
        approved.retire(end)
    rollouts.stop(rollout.id, by="ann", reason="it ends")
    approved.retire(end)
    approved.approve("coach", 2, by="bob", reason="again", override=True)
    with pytest.raises(Conflict, match="is to be retired on"):
        started(rollouts)


def test_two_operators_who_advance_at_the_same_time_take_one_step(rollouts: Rollouts) -> None:
    rollout, barrier = started(rollouts), threading.Barrier(2)

    def advance() -> None:
        barrier.wait()
        rollouts.advance(rollout.id, "25", by="bob")

    hands = [threading.Thread(target=advance) for _ in range(2)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert rollouts.get(rollout.id).stage == "25"
    assert [one.did for one in rollouts.steps(rollout.id)] == ["start", "advance"]


def test_the_turns_of_an_old_rollout_are_deleted_and_its_steps_stay(
    database: Database, rollouts: Rollouts
) -> None:
    rollout, kept = started(rollouts, "50"), Observations(database, Ticker())
    kept.add([Turn(rollout.id, "a1", Arm.CANARY, "u", "50", Fault.NONE, 0.5, 0.0)])
    rollouts.stop(rollout.id, by="ann", reason="over")
    kept.prune(0.0)
    assert kept.course(rollout).units[Arm.CANARY] == 1
    kept.prune(1e12)
    assert kept.course(rollout).units[Arm.CANARY] == 0
    assert len(rollouts.steps(rollout.id)) == 2
