"""What came of a call, as text for the model. Owns the wording; must never know how it was sent."""

from dataclasses import dataclass

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


def unanswered(text: str, *, certain: bool) -> ActionResult:
    """Word a call that got no answer; `certain` where it surely was not carried out."""
    return ActionResult(text, None, ok=False, certain=certain)
