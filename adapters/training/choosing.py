"""Which validation was the best, and when further ones are not worth the time. Pure.

Everything follows from the validations so far, so that a run that was broken off chooses as if it had not been.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_SHORT_EPOCH = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """One validation: the task's own metrics, and the loss."""

    step: int
    exact: float
    accuracy: float
    loss: float

    @property
    def score(self) -> tuple[float, float, float]:
        """What is better when it is higher: whole answers first, then single tokens, then the loss."""
        return (self.exact, self.accuracy, -self.loss)


def best(validations: Sequence[Measured]) -> Measured | None:
    """Return the best one; of equals the first, which has learnt less by heart."""
    return max(validations, key=lambda one: (one.score, -one.step), default=None)


def is_over(validations: Sequence[Measured], patience: int) -> bool:
    """Tell whether so many validations in a row brought nothing; never with 0.

    One brings something as long as the task's metric or the loss has never been better: where the metric stands
    still for a while, a falling loss says that there is more to come.
    """
    found = best(validations)
    if found is None or not patience:
        return False
    lowest = min(validations, key=lambda one: (one.loss, one.step))
    return sum(one.step > max(found.step, lowest.step) for one in validations) >= patience


def validates_at(step: int, total: int, steps_per_epoch: int) -> bool:
    """Tell whether to validate after `step`: each epoch, twice in a long one, and at the end."""
    every = steps_per_epoch if steps_per_epoch < _SHORT_EPOCH else math.ceil(steps_per_epoch / 2)
    return step == total or step % every == 0
