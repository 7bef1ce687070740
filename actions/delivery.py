"""Delivering a call: its turn at the host, further attempts, and the time that all of it may take.

Owns when a request is sent and how often; the sender owns how.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import anyio
import httpx

from actions.credentials import Credentials
from actions.hosts import Host, Hosts
from actions.pauses import Pauses
from actions.reading import WHOLE, Reading
from actions.request import PreparedRequest
from actions.result import ActionResult, unanswered
from actions.sender import TIME_LIMIT_SECONDS, Sender

Sending = Callable[[int], Awaitable[None]]
"""Told before each attempt which one it is. What it raises keeps the call from being sent."""

Send = Callable[[float], Awaitable[ActionResult]]
"""Sends one attempt within so many seconds, and words whatever happens."""

Renew = Callable[[Credentials], Awaitable[Credentials | None]]
"""Returns other credentials in the place of those that a service has refused; None where there are none."""

NO_TIME = "The call was not made: this answer has used up its time for actions."
_BUSY = "The call was not made: too many calls to the service wait for their turn. Try again later."
_SHORTEST_SECONDS = 0.01
_MAYBE = "An earlier try may have been carried out."


async def unwatched(_attempt: int) -> None:
    """Watch nothing."""


async def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Terms:
    """What one call may do.

    Attributes:
        repeatable: it may be tried again although an earlier try may have been carried out.
        until: monotonic time at which it must have ended, where less than the usual time is left.
        sending: told before each attempt.
        reading: how an answer is read.
        seconds: for all of it, instead of the usual time.
    """

    repeatable: bool = False
    until: float | None = None
    sending: Sending = unwatched
    reading: Reading = WHOLE
    seconds: float | None = None


class Delivery:
    """Delivers the calls of one persona.

    Args:
        sender: sends one attempt.
        hosts: the hosts and their limits, shared by all personas.
        time_limit: seconds for a call with all its attempts and pauses.
        pauses: between attempts.
    """

    def __init__(
        self,
        sender: Sender,
        hosts: Hosts,
        *,
        time_limit: float = TIME_LIMIT_SECONDS,
        pauses: Pauses | None = None,
    ) -> None:
        self._sender = sender
        self._hosts = hosts
        self._time_limit = time_limit
        self._pauses = pauses or Pauses()

    async def deliver(
        self, prepared: PreparedRequest, credentials: Credentials, terms: Terms, renew: Renew | None = None
    ) -> ActionResult:
        """Deliver a request, and word whatever happens for the model; raises nothing of the network.

        Args:
            prepared: what to send.
            credentials: what goes along.
            terms: what the call may do.
            renew: asked once, where the service refuses the credentials; what it raises ends the call.
        """
        carried = credentials

        async def send(seconds: float) -> ActionResult:
            return await self._sender.send(prepared, carried, reading=terms.reading, seconds=seconds)

        async def renewed() -> bool:
            nonlocal carried
            other = None if renew is None else await renew(carried)
            carried = other or carried
            return other is not None

        return await self.carry(prepared.url, send, terms, renewed)

    async def carry(
        self, url: httpx.URL, send: Send, terms: Terms, renewed: Callable[[], Awaitable[bool]] = _never
    ) -> ActionResult:
        """Deliver what `send` sends to the host of `url`, all attempts within one time.

        Args:
            url: what is called.
            send: sends one attempt.
            terms: what the call may do.
            renewed: asked once, after a 401: whether another attempt shows other credentials. A call that was
                refused was not carried out, so that even one that is made once may be sent again.
        """
        ends = time.monotonic() + (self._time_limit if terms.seconds is None else terms.seconds)
        if terms.until is not None:
            ends = min(ends, terms.until)
            if ends <= time.monotonic():
                return unanswered(NO_TIME, certain=True)
        host, attempt, certain, refused = self._hosts.of(url), 1, True, False
        while True:
            result = await self._attempt(host, attempt, send, ends, terms)
            certain = certain and (result.certain or result.ok)
            if result.status == httpx.codes.UNAUTHORIZED and not refused:
                refused = True
                if await renewed() and time.monotonic() < ends:
                    attempt += 1
                    continue
            pause = self._pause(result, attempt, ends, terms)
            if pause is None:
                return result if result.ok or certain else _in_doubt(result)
            await anyio.sleep(pause)
            attempt += 1

    async def _attempt(self, host: Host, attempt: int, send: Send, ends: float, terms: Terms) -> ActionResult:
        with anyio.move_on_after(ends - time.monotonic()) as waiting:
            await host.slots.acquire()
        if waiting.cancelled_caught:
            return unanswered(_BUSY, certain=True)
        try:
            if rest := host.breaker.admit():
                return _left_alone(rest)
            try:
                await terms.sending(attempt)
                result = await send(max(_SHORTEST_SECONDS, ends - time.monotonic()))
            except BaseException:
                host.breaker.withdraw()
                raise
            if result.trouble and terms.until is not None and time.monotonic() >= terms.until:
                host.breaker.withdraw()  # it had less than its time
            else:
                host.breaker.record(ok=not result.trouble)
            return result
        finally:
            host.slots.release()

    def _pause(self, result: ActionResult, attempt: int, ends: float, terms: Terms) -> float | None:
        """Return how long to wait for the next attempt; None where there is none."""
        if result.repeat_after is None or not terms.repeatable or attempt >= self._pauses.attempts:
            return None
        pause = self._pauses.after(attempt, result.repeat_after)
        return pause if time.monotonic() + pause < ends else None


def _left_alone(seconds: float) -> ActionResult:
    text = f"The service failed several times in a row and is left alone for {max(1, round(seconds))} seconds."
    return unanswered(f"{text} Nothing was done; try again later.", certain=True)


def _in_doubt(result: ActionResult) -> ActionResult:
    text = f"{result.text} {_MAYBE}" if result.certain else result.text
    return replace(result, text=text, certain=False)
