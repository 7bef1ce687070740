"""How long to wait before a call is tried again. Knows headers and numbers, never a connection."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pauses that double, each drawn between half and all of its length, so that callers spread out.

    Attributes:
        attempts: how often a call is sent, at most.
        first: longest pause before the second attempt, in seconds.
        longest: of any pause that the service does not ask for.
    """

    attempts: int = 3
    first: float = 0.5
    longest: float = 8.0

    def after(self, attempt: int, asked: float) -> float:
        """Return the seconds to wait after the `attempt`th attempt, no fewer than the service `asked` for."""
        pause = min(self.first * 2.0 ** (attempt - 1), self.longest)
        return max(asked, pause * random.uniform(0.5, 1))  # noqa: S311  spreads callers, guards nothing


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that `Retry-After` asks for, 0 without it (RFC 9110, 10.2.3).

    A date is compared with the service's own `Date`, so that its clock need not agree with ours.
    """
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        asked, now = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (asked - now).total_seconds())
    except (TypeError, ValueError):
        return 0.0
