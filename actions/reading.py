"""How an answer of a service is read: whether it says that it was done, and which part of it is shown."""

from dataclasses import dataclass

from actions.result import ActionResult, answered, answered_in_part, refused_in_words
from actions.selection import Selection


@dataclass(frozen=True, slots=True)
class Reading:
    """How answers of one operation are read.

    Attributes:
        selection: the part of an answer that is shown; None: all of it.
        ok_field: the field of an answer that says whether it was done, where the status does not.
    """

    selection: Selection | None = None
    ok_field: str | None = None

    @property
    def plain(self) -> bool:
        """Whether nothing has to be looked into."""
        return self.selection is None and self.ok_field is None

    def result(self, status: int, body: str, *, retry_after: float = 0.0) -> ActionResult:
        """Word an answer. Blocks a moment where it must be looked into."""
        refusal = None if self.ok_field is None else refused_in_words(status, body, self.ok_field)
        if refusal is not None:
            return refusal
        if self.selection is None:
            return answered(status, body, retry_after=retry_after)
        return answered_in_part(status, body, self.selection, retry_after=retry_after)


WHOLE = Reading()
"""All of an answer, by its status."""
