"""The circuit breaker: when it opens, whom it lets through, and what closes it."""

import pytest

from actions.breaker import Breaker, BreakerState
from tests.actions.moved_clock import MovedClock


@pytest.fixture
def breaker(time: MovedClock) -> Breaker:
    return Breaker(3, 30, now=time)


def _fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        assert breaker.admit() == 0
        breaker.record(ok=False)


def test_it_opens_after_so_many_failures_in_a_row_and_says_how_long(breaker: Breaker, time: MovedClock) -> None:
    _fail(breaker, 2)
    assert breaker.state is BreakerState.CLOSED
    _fail(breaker, 1)
    time.now += 10

    assert (breaker.state, breaker.admit()) == (BreakerState.OPEN, 20)


def test_a_success_in_between_begins_the_count_anew(breaker: Breaker) -> None:
    _fail(breaker, 2)
    breaker.record(ok=True)
    _fail(breaker, 2)

    assert breaker.state is BreakerState.CLOSED


def test_half_open_it_lets_one_probe_through_whose_success_closes_it(breaker: Breaker, time: MovedClock) -> None:
    _fail(breaker, 3)
    time.now += 30

    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.admit() == 0
    assert breaker.admit() > 0
    breaker.record(ok=True)
    assert (breaker.state, breaker.admit()) == (BreakerState.CLOSED, 0)


def test_a_probe_that_fails_opens_it_again(breaker: Breaker, time: MovedClock) -> None:
    _fail(breaker, 3)
    time.now += 30
    _fail(breaker, 1)

    assert (breaker.state, breaker.admit()) == (BreakerState.OPEN, 30)


def test_a_probe_that_is_broken_off_leaves_room_for_another(breaker: Breaker, time: MovedClock) -> None:
    _fail(breaker, 3)
    time.now += 30
    assert breaker.admit() == 0
    breaker.withdraw()

    assert breaker.admit() == 0
