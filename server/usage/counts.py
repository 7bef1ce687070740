"""What is counted of requests. Knows numbers and days, nobody who asks."""

from dataclasses import dataclass
from datetime import UTC, datetime

_SECONDS_OF_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests and their tokens.

    Attributes:
        requests: those that were let in, however they ended.
        errors: those of them that ended in an error.
        abandoned: those of them whose client left before the end.
        refused: those that a limit kept out; they are no part of `requests`.
        estimated: those of `requests` whose tokens the engine did not tell, so that they are estimated.
        prompt_tokens: read by the engine, over all its calls.
        completion_tokens: written by it.
        cached_tokens: those of the prompt that it had in its cache.
    """

    requests: int = 0
    errors: int = 0
    abandoned: int = 0
    refused: int = 0
    estimated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Tokens as a limit counts them."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Counts") -> "Counts":
        """Return the sum."""
        return Counts(
            self.requests + other.requests,
            self.errors + other.errors,
            self.abandoned + other.abandoned,
            self.refused + other.refused,
            self.estimated + other.estimated,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )


NOTHING = Counts()


def day_of(moment: float) -> str:
    """Return the day of UTC, such as `2026-11-23`, of seconds since the epoch."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def seconds_to_midnight(moment: float) -> float:
    """Return the seconds until the next day of UTC begins."""
    return _SECONDS_OF_A_DAY - moment % _SECONDS_OF_A_DAY
