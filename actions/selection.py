"""The part of an answer that a model sees: a JMESPath expression over the service's JSON.

The expression is the operator's, the answer is not: each evaluation is bounded in steps, in time and in what it
may grow to. An answer that is no JSON or lacks what is asked for gives nothing: the rest is never shown instead.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from jmespath import compile as parse
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

from actions.json_value import JsonValue
from actions.text import MAX_CHARACTERS, cut

MAX_EXPRESSION = 500
_SECONDS = 0.5
_MAX_STEPS = 1_000_000
_MAX_ITEMS = 200_000
_MAX_TEXT = 5_000_000


class SelectionFailed(Exception):
    """The answer does not hold what the expression asks for, or too much of it; says which."""


class _TooMuch(Exception):
    """An evaluation went over its bounds."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A checked expression.

    Attributes:
        expression: JMESPath, as the persona has it.
    """

    expression: str

    def __post_init__(self) -> None:
        """Check the expression.

        Raises:
            ValueError: it is no JMESPath, or too long.
        """
        if len(self.expression) > MAX_EXPRESSION:
            raise ValueError(f"the expression is longer than {MAX_EXPRESSION} characters")
        try:
            parse(self.expression)
        except (JMESPathError, RecursionError) as error:
            raise ValueError(f"this is no JMESPath: {' '.join(str(error).split())[:200]}") from error

    def pick(self, body: str, *, clock: Callable[[], float] = time.monotonic) -> str:
        """Return what the expression finds in `body`, as JSON of at most 100,000 characters. Blocks a moment.

        Raises:
            SelectionFailed: there is nothing of it, or it went over its bounds.
        """
        try:
            found = _Bounded(clock).visit(parse(self.expression).parsed, json.loads(body))
            if found is None:
                raise SelectionFailed(f"nothing in it is what this persona picks of an answer ({self.expression})")
            return _written(found)
        except JMESPathError as error:  # which is a ValueError, too
            raise SelectionFailed(
                f"it is not of the form of which this persona picks ({self.expression})"
            ) from error
        except (ValueError, RecursionError) as error:
            raise SelectionFailed("it is no JSON, of which this persona picks a part") from error
        except _TooMuch as error:
            raise SelectionFailed("picking a part of it took too long") from error


class _Bounded(TreeInterpreter):  # type: ignore[misc]  # the library has no types
    """Evaluates with a budget of steps, time and items."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._deadline = clock() + _SECONDS
        self._steps = 0

    def visit(self, node: object, *args: object, **kwargs: object) -> JsonValue:
        self._steps += 1
        if self._steps > _MAX_STEPS or (self._steps % 64 == 0 and self._clock() > self._deadline):
            raise _TooMuch
        value: JsonValue = super().visit(node, *args, **kwargs)
        if isinstance(value, list | dict | str) and len(value) > (
            _MAX_TEXT if isinstance(value, str) else _MAX_ITEMS
        ):
            raise _TooMuch
        return value


def _written(value: JsonValue) -> str:
    """Write a text as it is and all else as JSON; stop once it is too long, however often a part is in it."""
    if isinstance(value, str):
        return cut(value, MAX_CHARACTERS)
    pieces, length = [], 0
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        pieces.append(piece)
        length += len(piece)
        if length > MAX_CHARACTERS:
            break
    return cut("".join(pieces), MAX_CHARACTERS)
