"""What came of a call, as text for the model. Owns the wording; must never know how it was sent."""

import json
import re
from dataclasses import dataclass, field

from actions.json_value import JsonValue
from actions.selection import Selection, SelectionFailed
from actions.text import MAX_CHARACTERS, cut

_ANSWERED_FOR_ANOTHER = frozenset({502, 504})
_IN_TROUBLE = frozenset({502, 503, 504})
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of a call.

    Attributes:
        text: for the model, from outside and untrusted (see `fence`); 1 to 100,000 characters.
        status: the HTTP status, or None where no answer came.
        ok: the service did it.
        certain: False where the service may have done it although we saw no answer of its own.
        repeat_after: seconds that the service asks to be spared before another try; None where none helps.
        trouble: the host itself is to blame, not the call.
    """

    text: str
    status: int | None
    ok: bool
    certain: bool = True
    repeat_after: float | None = field(default=None, compare=False)
    trouble: bool = field(default=False, compare=False)


def answered(status: int, body: str, *, retry_after: float = 0.0) -> ActionResult:
    """Word an answer of the service, which asks to be spared for some seconds."""
    body = body.strip()
    if 200 <= status < 300:
        text = body or f"The service answered with status {status} and no content: it is done."
        return ActionResult(cut(text, MAX_CHARACTERS), status, ok=True)
    text = f"The service answered with status {status}" + (f":\n{body}" if body else " and no explanation.")
    trouble = status in _IN_TROUBLE
    return ActionResult(
        cut(text, MAX_CHARACTERS),
        status,
        ok=False,
        certain=status not in _ANSWERED_FOR_ANOTHER,
        repeat_after=retry_after if trouble or status == _TOO_MANY else None,
        trouble=trouble,
    )


def answered_in_part(status: int, body: str, selection: Selection, *, retry_after: float = 0.0) -> ActionResult:
    """Word an answer of which only the part that `selection` picks is shown; a refusal is shown whole. Blocks."""
    if not 200 <= status < 300 or not body.strip():
        return answered(status, body, retry_after=retry_after)
    try:
        return answered(status, selection.pick(body))
    except SelectionFailed as error:
        return answered(status, f"The service answered with status {status}, and {error}.")


def refused_in_words(status: int, body: str, ok_field: str) -> ActionResult | None:
    """Word an answer whose own field takes back what its status says; None for any other.

    An answer without the field does not tell whether the service did it.
    """
    said = _field(body, ok_field)
    if said is True or not 200 <= status < 300:
        return None
    heading = "The service did not do it" if said is False else "The service did not say whether it did it"
    text = cut(f"{heading}:\n{body.strip()}", MAX_CHARACTERS)
    return ActionResult(text, status, ok=False, certain=said is False)


def _field(body: str, name: str) -> JsonValue:
    """Return a field of an answer, also where the answer was cut and the field stands first in it."""
    try:
        answer: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        first = re.match(rf'\s*\{{\s*"{re.escape(name)}"\s*:\s*(true|false)\b', body)
        return None if first is None else first[1] == "true"
    return answer.get(name) if isinstance(answer, dict) else None


def unanswered(text: str, *, certain: bool, trouble: bool = False) -> ActionResult:
    """Word a call that got no answer.

    Args:
        text: for the model.
        certain: it surely was not carried out.
        trouble: the host did not answer, and may at another try.
    """
    repeat_after = 0.0 if trouble else None
    return ActionResult(text, None, ok=False, certain=certain, repeat_after=repeat_after, trouble=trouble)
