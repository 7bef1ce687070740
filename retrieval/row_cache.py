"""What was read of rows lately, so that a search need not read it again. Knows rows, not what stands in them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")


class RowCache(Generic[Value]):
    """The most recently used values by row and version of the store; safe for many threads.

    A row never changes within one version of its store, so a value is valid for as long as the version is asked
    for; those of earlier versions are asked for no more, and go.

    Args:
        most: how many values are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[tuple[Hashable, int], Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, version: Hashable, rows: Collection[int], read: Callable[[Collection[int]], Mapping[int, Value]]
    ) -> dict[int, Value]:
        """Return row → value of those rows that exist.

        Args:
            version: of the stores that the rows belong to.
            rows: which.
            read: reads those that are not held.
        """
        found: dict[int, Value] = {}
        with self._lock:
            for row in rows:
                if (version, row) in self._held:
                    self._held.move_to_end((version, row))
                    found[row] = self._held[version, row]
        if missing := [row for row in rows if row not in found]:
            fresh = read(missing)
            found |= fresh
            with self._lock:
                self._held.update(((version, row), value) for row, value in fresh.items())
                while len(self._held) > self._most:
                    self._held.popitem(last=False)
        return found
