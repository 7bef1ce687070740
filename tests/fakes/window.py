"""A limit of requests, as services have it."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Window:
    """At most so many requests in so many seconds, by a clock that only a test moves.

    Attributes:
        limit: requests in a window; a test lowers it.
        now: the clock.
    """

    limit: int
    seconds: int
    now: float = 0.0
    taken: list[float] = field(default_factory=list)

    def wait(self) -> int:
        """Take one request; return 0, or the seconds after which it may be tried again."""
        self.taken = [one for one in self.taken if one > self.now - self.seconds]
        if len(self.taken) >= self.limit:
            return max(1, int(self.seconds - (self.now - self.taken[0]))) if self.taken else self.seconds
        self.taken.append(self.now)
        return 0
