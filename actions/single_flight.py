"""One piece of work for all who ask for it at the same time. Knows nothing of the work."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio

Result = TypeVar("Result")


@dataclass(slots=True)
class _Flight(Generic[Result]):
    done: anyio.Event = field(default_factory=anyio.Event)
    results: list[Result] = field(default_factory=list)
    failure: BaseException | None = None


class SingleFlight(Generic[Result]):
    """Runs what is asked for under a key once at a time; who comes meanwhile gets the same outcome.

    What has begun is finished even if the one who began it leaves: a token that was renewed and not kept
    would be lost.
    """

    def __init__(self) -> None:
        self._flights: dict[object, _Flight[Result]] = {}

    async def run(self, key: object, work: Callable[[], Awaitable[Result]]) -> Result:
        """Return the outcome of `work`, or of the work under this key that is under way."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
            await self._fly(key, flight, work)
        else:
            await flight.done.wait()
        if flight.failure is not None:
            raise flight.failure
        return flight.results[0]

    async def _fly(self, key: object, flight: _Flight[Result], work: Callable[[], Awaitable[Result]]) -> None:
        with anyio.CancelScope(shield=True):
            try:
                flight.results.append(await work())
            except BaseException as error:  # told to everybody who waits
                flight.failure = error
            finally:
                del self._flights[key]
                flight.done.set()
