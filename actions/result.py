"""What came of a call, as text for the model. Owns the wording; must never know how it was sent."""

import json
import re
from dataclasses import dataclass

from actions.json_value import JsonValue
from actions.selection import Selection, SelectionFailed
from actions.text import MAX_CHARACTERS, cut

_ANSWERED_FOR_ANOTHER = frozenset({502, 504})


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of a call.

    Attributes:
        text: for the model, from outside and untrusted (see `fence`); 1 to 100,000 characters.
        status: the HTTP status, or None where no answer came.
        ok: the service did it.
        certain: False where the service may have done it although we saw no answer of its own.
    """

    text: str
    status: int | None
    ok: bool
    certain: bool = True


def answered(status: int, body: str) -> ActionResult:
    """Word an answer of the service."""
    body = body.strip()
    if 200 <= status < 300:
        text = body or f"The service answered with status {status} and no content: it is done."
        return ActionResult(cut(text, MAX_CHARACTERS), status, ok=True)
    text = f"The service answered with status {status}" + (f":\n{body}" if body else " and no explanation.")
    return ActionResult(cut(text, MAX_CHARACTERS), status, ok=False, certain=status not in _ANSWERED_FOR_ANOTHER)


def answered_in_part(status: int, body: str, selection: Selection) -> ActionResult:
    """Word an answer of which only the part that `selection` picks is shown; a refusal is shown whole. Blocks."""
    if not 200 <= status < 300 or not body.strip():
        return answered(status, body)
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


def unanswered(text: str, *, certain: bool) -> ActionResult:
    """Word a call that got no answer; `certain` where it surely was not carried out."""
    return ActionResult(text, None, ok=False, certain=certain)
