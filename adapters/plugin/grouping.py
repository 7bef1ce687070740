"""Which rows of a step belong to which adapter slot. Knows neither weights nor vLLM."""

from collections.abc import Sequence
from itertools import groupby

import torch

Segment = tuple[int, int, int]
"""Slot, first row, one past the last row."""


class RowGroups:
    """The rows of one engine step, grouped by adapter slot; built once a step, used by every layer.

    Attributes:
        count: number of rows.
        segments: runs of neighbouring rows with the same adapter; rows without one are left out.
        active: slots that occur.
        single: the only segment, where there is exactly one.
        contiguous: slot → (first row, one past the last), for slots whose rows are neighbours.
    """

    def __init__(self, slots: Sequence[int]) -> None:
        self.count = len(slots)
        self._slots = tuple(slots)
        self.segments: list[Segment] = []
        start = 0
        for slot, run in groupby(slots):
            end = start + sum(1 for _ in run)
            if slot >= 0:
                self.segments.append((slot, start, end))
            start = end
        self.active = frozenset(slot for slot, _, _ in self.segments)
        self.single = self.segments[0] if len(self.segments) == 1 else None
        seen = [slot for slot, _, _ in self.segments]
        self.contiguous = {s: (first, last) for s, first, last in self.segments if seen.count(s) == 1}
        self._tensor: torch.Tensor | None = None
        self._index: dict[int, torch.Tensor] = {}
        self._foreign: dict[tuple[int, ...], torch.Tensor] = {}

    def index(self, slot: int) -> torch.Tensor:
        """Return the row numbers of a slot, shape [rows of the slot]."""
        if slot not in self._index:
            self._index[slot] = torch.nonzero(self._as_tensor() == slot).squeeze(1)
        return self._index[slot]

    def foreign(self, columns: tuple[int, ...]) -> torch.Tensor:
        """Return a mask, shape [rows, columns]: True where the column's slot is not the row's."""
        if columns not in self._foreign:
            self._foreign[columns] = self._as_tensor().unsqueeze(1) != torch.tensor(columns).unsqueeze(0)
        return self._foreign[columns]

    def _as_tensor(self) -> torch.Tensor:
        if self._tensor is None:
            self._tensor = torch.tensor(self._slots)
        return self._tensor
