"""A leaky bucket: what was used drains away evenly over a minute. Knows numbers and a clock that only goes on."""

from dataclasses import dataclass

_SECONDS = 60.0
_ROUNDING = 1e-6


@dataclass(slots=True)
class Bucket:
    """What is used of a limit a minute; the limit is said each time, since it may change.

    Attributes:
        used: what has not drained yet; above the limit where more came in than was expected.
        at: monotonic seconds of the last look.
    """

    used: float = 0.0
    at: float = 0.0

    def drain(self, limit: int, now: float) -> None:
        """Let drain what has had its time."""
        self.used = max(0.0, self.used - max(0.0, now - self.at) * limit / _SECONDS)
        self.at = now

    def take(self, amount: float) -> None:
        """Use some, or give it back where `amount` is negative."""
        self.used = max(0.0, self.used + amount)

    def left(self, limit: int) -> int:
        """Return what may be used at once."""
        return max(0, int(limit - self.used + _ROUNDING))

    def wait(self, limit: int) -> float:
        """Return the seconds until one more may be used."""
        return max(0.0, (self.used - limit + 1) * _SECONDS / limit)

    def full_again(self, limit: int) -> float:
        """Return the seconds until everything may be used."""
        return self.used * _SECONDS / limit
