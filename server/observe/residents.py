"""What the engine's supervisor tells beside answers: adapters in memory, losses, the engine's own metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Resident:
    """An adapter version in the memory of an engine.

    Attributes:
        engine: number of the engine, from 0 in the order of the settings.
        in_slot: whether the running batch can use it at once.
        pinned: whether it is never evicted from memory.
    """

    engine: int
    name: str
    in_slot: bool
    pinned: bool


class Supervised(Protocol):
    """An engine under supervision. Implemented by the driver and by test doubles."""

    restarts: int

    async def metrics(self, engine: int) -> bytes:
        """Return the own metrics of one engine.

        Raises:
            NotFound: there is no such engine.
            Unavailable: it is away.
        """
        ...

    async def residents(self) -> Sequence[Resident]:
        """Return the adapters in the engines that answer now.

        Raises:
            RepertoryError: an engine has just gone away.
        """
        ...
