"""Slack's limits, by real time: so many calls of a method in so many seconds. Off until a test asks for them."""

import time
from dataclasses import dataclass, field

TIERS = {"chat.startStream": (20, 60.0), "chat.stopStream": (20, 60.0), "chat.appendStream": (100, 60.0)}
"""Tier 2 and tier 4 of "Rate limits"; wire.md §5.1, bullet "Streaming"."""


@dataclass
class Limits:
    """Which methods are limited.

    Attributes:
        of: method → calls, in seconds.
        coming: method → how many further calls are refused, whenever they come.
        refused: how often each method was refused.
    """

    of: dict[str, tuple[int, float]] = field(default_factory=dict)
    coming: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    _taken: dict[str, list[float]] = field(default_factory=dict)

    def wait(self, method: str, key: str = "") -> float:
        """Take one call; return 0, or the seconds after which it may be made."""
        if self.coming.get(method, 0) > 0:
            self.coming[method] -= 1
            self.refused[method] = self.refused.get(method, 0) + 1
            return 0.5
        if method not in self.of:
            return 0.0
        most, seconds = self.of[method]
        now, name = time.monotonic(), f"{method} {key}"
        taken = [one for one in self._taken.get(name, []) if one > now - seconds]
        self._taken[name] = taken
        if len(taken) >= most:
            self.refused[method] = self.refused.get(method, 0) + 1
            return taken[0] + seconds - now if taken else seconds
        taken.append(now)
        return 0.0
