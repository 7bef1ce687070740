"""What a gate says of a version, and who can be asked for it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from adapters.version import AdapterVersion


class Outcome(StrEnum):
    """The gate's word."""

    PASS = "pass"  # noqa: S105  # a word of the gate, no secret
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    """Too little was seen to tell; it never promotes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one version, and why.

    Attributes:
        outcome: its word.
        reason: the word explained, in a sentence or several.
        evaluation: id of the evaluation that it was read from.
    """

    outcome: Outcome
    reason: str
    evaluation: str


Evaluate = Callable[[AdapterVersion], Verdict | None]
"""Evaluates one version on the serving engine and judges it; None where nothing says how. Blocking."""
