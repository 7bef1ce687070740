"""The order of examples: of like length together, shuffled anew each epoch, the same after a resumption."""

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

_BATCHES_SORTED_TOGETHER = 50


class LengthGroupedOrder(Sampler[int]):
    """Batches of like length cost little padding; which batches, and in which order, hangs on seed and epoch.

    The trainer's own sampler draws from the process's random numbers, so that a resumed run sees another order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        chance = random.Random(f"{self._seed}:{self._epoch}")  # noqa: S311  an order, no secret
        shuffled = list(range(len(self._lengths)))
        chance.shuffle(shuffled)
        size = self._batch_size * _BATCHES_SORTED_TOGETHER
        batches = []
        for start in range(0, len(shuffled), size):
            group = sorted(shuffled[start : start + size], key=lambda index: self._lengths[index])
            batches += [group[at : at + self._batch_size] for at in range(0, len(group), self._batch_size)]
        short = [batch for batch in batches if len(batch) < self._batch_size]
        batches = [batch for batch in batches if len(batch) == self._batch_size]
        chance.shuffle(batches)
        for batch in batches + short:  # an incomplete batch comes last, or it would shift the others
            yield from batch
