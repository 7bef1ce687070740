"""Where a holder stands against its limits, and the error of having reached one. Knows no HTTP."""

import math
from dataclasses import dataclass
from typing import Literal

from core.errors import RateLimited

Kind = Literal["requests", "tokens"]
Window = Literal["minute", "day"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit and what is left of it.

    Attributes:
        limit: what may be used in the window.
        left: what may be used now.
        reset: seconds until everything may be used again.
    """

    kind: Kind
    window: Window
    limit: int
    left: int
    reset: float


class LimitReached(RateLimited):
    """A limit of the holder keeps the request out.

    Attributes:
        standings: all limits of the holder.
    """

    def __init__(self, reached: "Reached", standings: tuple[Standing, ...]) -> None:
        seconds = max(1, math.ceil(reached.wait))
        one = reached.standing
        name = f"limit of {one.limit} {one.kind} per {'day (UTC)' if one.window == 'day' else one.window}"
        if reached.held:
            what = f"Requests under way have reserved what is left of the {name}."
        else:
            what = f"The {name} is used up."
        super().__init__(
            f"{what} Try again in {seconds} s, or ask an administrator for more (`repertory key limit`).",
            code="insufficient_quota" if one.window == "day" and not reached.held else "rate_limit_exceeded",
            retry_after=seconds,
        )
        self.standings = standings


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit of which nothing is left.

    Attributes:
        wait: seconds until there may be something.
        held: whether only what running requests have reserved is in the way.
    """

    standing: Standing
    wait: float
    held: bool = False
