"""A circuit breaker: leaves a host alone that fails again and again. Pure; knows neither hosts nor calls.

Closed, it lets all calls through. After some failures in a row it opens and lets none through; after a while it
is half open and lets one probe through, whose outcome closes or opens it (M. Nygard, Release It!).
"""

import time
from collections.abc import Callable
from enum import StrEnum


class BreakerState(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Breaker:
    """The breaker of one host.

    Args:
        failures: failures in a row that open it.
        seconds: how long it then stays open.
        now: a monotonic clock.
    """

    def __init__(self, failures: int, seconds: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._seconds = seconds
        self._now = now
        self._failed = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._rest() > 0 else BreakerState.HALF_OPEN

    def admit(self) -> float:
        """Return 0 and expect the call's outcome, or the seconds for which the host is left alone."""
        if self._opened_at is None:
            return 0.0
        if (rest := self._rest()) > 0:
            return rest
        if self._probing:
            return self._seconds
        self._probing = True
        return 0.0

    def record(self, *, ok: bool) -> None:
        """Take the outcome of a call that was let through."""
        self._probing = False
        if ok:
            self._failed, self._opened_at = 0, None
            return
        self._failed += 1
        if self._failed >= self._most:
            self._opened_at = self._now()

    def withdraw(self) -> None:
        """Forget a call that was let through and broken off by its caller."""
        self._probing = False

    def _rest(self) -> float:
        return 0.0 if self._opened_at is None else self._opened_at + self._seconds - self._now()
