"""The hosts that actions call: how many calls run at each at once, and whether it is left alone.

One object for the whole server: personas that call the same host share its limits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

import anyio
import httpx

from actions.addresses import canonical_host, port_of
from actions.breaker import Breaker, BreakerState


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What each host is spared.

    Attributes:
        calls: calls to it at once; more wait for their turn.
        failures: failures in a row after which it is left alone.
        seconds: for how long.
    """

    calls: int = 8
    failures: int = 5
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Host:
    """One host and port."""

    name: str
    slots: anyio.Semaphore
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class Hosts:
    """All of them, made as they are called first; there are no more than the personas' documents name.

    Args:
        limits: those of each.
        now: a monotonic clock.
    """

    limits: HostLimits = field(default_factory=HostLimits)
    now: Callable[[], float] = monotonic
    _known: dict[str, Host] = field(default_factory=dict)

    def of(self, url: httpx.URL) -> Host:
        """Return the host of `url`."""
        name = _name(url)
        if name not in self._known:
            breaker = Breaker(self.limits.failures, self.limits.seconds, now=self.now)
            self._known[name] = Host(name, anyio.Semaphore(self.limits.calls), breaker)
        return self._known[name]

    def state(self, url: httpx.URL) -> BreakerState:
        """Return what the breaker of `url`'s host does."""
        known = self._known.get(_name(url))
        return BreakerState.CLOSED if known is None else known.breaker.state

    def states(self) -> Mapping[str, BreakerState]:
        """Return `host:port` → what its breaker does, of the hosts that were called."""
        return {name: self._known[name].breaker.state for name in sorted(self._known)}


def _name(url: httpx.URL) -> str:
    return f"{canonical_host(url.host)}:{port_of(url)}"
