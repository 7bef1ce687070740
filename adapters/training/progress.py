"""What a run tells its parent: one JSON object a line on standard output."""

import json
import math
import time
from dataclasses import asdict, dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step is done.

    Attributes:
        step: steps done.
        total: steps in the whole run.
        loss: mean loss per learnt token.
        rate: learning rate of the step.
        seconds_left: estimate to the end.
        gradient: norm of the gradient before clipping.
        accuracy: share of the learnt tokens that were the likeliest; of pairs, those preferred rightly.
    """

    step: int
    total: int
    loss: float
    rate: float | None
    seconds_left: float | None
    gradient: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """What the validation examples say after `step`.

    Attributes:
        loss: mean loss per learnt token.
        accuracy: share of the learnt tokens that were the likeliest; of pairs, those preferred rightly.
        exact: share of the examples whose learnt tokens all were; of pairs the same as `accuracy`.
        best: whether no validation before was as good.
    """

    step: int
    loss: float
    accuracy: float = 0.0
    exact: float = 0.0
    best: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a person wants to read."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ends without an adapter."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The adapter lies in the out folder.

    Attributes:
        kept: the step whose weights were kept.
        tokens: what went through the model, over all epochs.
    """

    steps: int
    seconds: float
    kept: int = 0
    tokens: int = 0


Event = Step | Validation | Note | Failed | Finished

_KINDS = {"step": Step, "validation": Validation, "note": Note, "failed": Failed, "finished": Finished}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class Reporter:
    """Writes events to the parent."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def tell(self, event: Event) -> None:
        """Write one line; parents that have gone are not missed here (they take the process with them)."""
        values = {key: _finite(value) for key, value in asdict(event).items() if value is not None}
        self._output.write(json.dumps({"event": _NAMES[type(event)], **values}) + "\n")
        self._output.flush()


def parse_event(line: str) -> Event | None:
    """Return the event that `Reporter` wrote as `line`, or None for any other line."""
    try:
        value = json.loads(line)
        event: Event = _KINDS[value.pop("event")](**value)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return event


class Pace:
    """Estimates what is left from the mean of the steps done."""

    def __init__(self, total: int, done: int) -> None:
        self._total = total
        self._first = done
        self._start = time.monotonic()

    def seconds_left(self, done: int) -> float:
        """Return the estimate after `done` steps."""
        made = max(1, done - self._first)
        return round((time.monotonic() - self._start) / made * (self._total - done), 1)


def _finite(value: object) -> object:
    """JSON has no word for infinity: a loss that diverged is told as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
