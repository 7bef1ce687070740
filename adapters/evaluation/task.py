"""A case in its set, with what grades it: what an evaluation keeps of its file, so that it never changes."""

from adapters.evaluation.case import Case, Part
from adapters.evaluation.graders import Grader


class Task(Part):
    """One thing to ask.

    Attributes:
        key: `SET/ID`, unique in the evaluation.
        judged: whether the judge compares its answers.
    """

    key: str
    set: str
    case: Case
    graders: tuple[Grader, ...]
    judged: bool = False
