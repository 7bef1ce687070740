"""Letting requests in within the limits of their holder, and counting what they used.

A request comes in while anything is left of each limit. It then reserves itself, the tokens of all its prompts as
far as they can be guessed (instructions, passages and the steps of actions included), and the longest answer that
it may get; its end puts the true figures in their place. So however many come at once, a limit is passed by at
most one request's own size. Everything happens in memory and in the event loop, so two requests never see the same
remainder.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.clock import Clock
from core.ids import PrincipalId
from core.principal import NO_LIMITS, Principal
from server.usage.admission import Admission
from server.usage.bucket import Bucket
from server.usage.counts import Counts, day_of, seconds_to_midnight
from server.usage.ledger import Ledger
from server.usage.limit import LimitReached, Reached, Standing

_HELD_SECONDS = 1.0
"""When to ask again where running requests hold what is left: any of them may end."""


@dataclass(slots=True)
class Account:
    """What one holder has under way, and its buckets."""

    requests: Bucket = field(default_factory=Bucket)
    tokens: Bucket = field(default_factory=Bucket)
    running: int = 0
    reserved: int = 0


class Meter:
    """Admits requests and counts them.

    Args:
        ledger: where counts go.
        clock: the wall clock; it says which day it is.
        monotonic: seconds that only go on; minutes are measured by it.
    """

    def __init__(self, ledger: Ledger, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.ledger = ledger
        self._clock = clock
        self._monotonic = monotonic
        self._accounts: dict[PrincipalId, Account] = {}

    def admit(
        self, principal: Principal, persona: str, *, prompt: int, answer: int = 0, steps: int = 1
    ) -> Admission:
        """Let a request in.

        Args:
            principal: who asks.
            persona: whom; for other models their name.
            prompt: tokens of its prompt, roughly.
            answer: the most tokens that it may get.
            steps: how often the prompt may be read, at most.

        Raises:
            LimitReached: nothing is left of a limit; the message names it and the wait.
        """
        limits, day = principal.limits, day_of(self._clock())
        admission = Admission(self, principal, persona, day, prompt, answer, steps)
        if limits != NO_LIMITS:
            account = self._accounts.setdefault(principal.id, Account())
            standings = self._standings(principal, account)
            if reached := [self._reached(one, principal, account) for one in standings if one.left <= 0]:
                self.ledger.add(day, principal.id, persona, Counts(refused=1))
                raise LimitReached(max(reached, key=lambda one: one.wait), standings)
            account.running += 1
            account.reserved += admission.reserved
            account.requests.take(1 if limits.requests_per_minute else 0)
            account.tokens.take(admission.reserved if limits.tokens_per_minute else 0)
        return admission

    def settle(self, admission: Admission, counts: Counts) -> None:
        """Put the true figures of a request in the place of what it reserved."""
        principal, reserved = admission.principal, admission.reserved
        self.ledger.add(admission.day, principal.id, admission.persona, counts)
        if principal.limits == NO_LIMITS:
            return
        account = self._accounts[principal.id]
        account.running -= 1
        account.reserved -= reserved
        if limit := principal.limits.tokens_per_minute:
            account.tokens.drain(limit, self._monotonic())
            account.tokens.take(counts.tokens - reserved)

    def standings(self, principal: Principal) -> tuple[Standing, ...]:
        """Return where a holder stands; nothing for one without limits."""
        if principal.limits == NO_LIMITS:
            return ()
        return self._standings(principal, self._accounts.setdefault(principal.id, Account()))

    def _standings(self, principal: Principal, account: Account) -> tuple[Standing, ...]:
        limits, found = principal.limits, list[Standing]()
        now = self._monotonic()
        if limit := limits.requests_per_minute:
            account.requests.drain(limit, now)
            left = account.requests.left(limit)
            found.append(Standing("requests", "minute", limit, left, account.requests.full_again(limit)))
        if limit := limits.tokens_per_minute:
            account.tokens.drain(limit, now)
            left = account.tokens.left(limit)
            found.append(Standing("tokens", "minute", limit, left, account.tokens.full_again(limit)))
        if limits.requests_per_day or limits.tokens_per_day:
            wall = self._clock()
            used, reset = self.ledger.of_day(day_of(wall), principal.id), seconds_to_midnight(wall)
            if limit := limits.requests_per_day:
                left = max(0, limit - used.requests - account.running)
                found.append(Standing("requests", "day", limit, left, reset))
            if limit := limits.tokens_per_day:
                left = max(0, limit - used.tokens - account.reserved)
                found.append(Standing("tokens", "day", limit, left, reset))
        return tuple(found)

    def _reached(self, one: Standing, principal: Principal, account: Account) -> Reached:
        if one.window == "minute" and one.kind == "requests":
            return Reached(one, account.requests.wait(one.limit))
        if one.window == "minute":
            held = account.tokens.used - account.reserved < one.limit and account.reserved > 0
            return Reached(one, _HELD_SECONDS if held else account.tokens.wait(one.limit), held)
        used = self.ledger.of_day(day_of(self._clock()), principal.id)
        held = one.kind == "tokens" and used.tokens < one.limit
        return Reached(one, _HELD_SECONDS if held else one.reset, held)
