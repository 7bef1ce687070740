"""Personal data in a data set: what is looked for, what is done about it. The face; loads nothing heavy."""

from adapters.datasets.personal.policy import Decision, Kind, Policy
from adapters.datasets.personal.scan import Scanner, Span

__all__ = ["Decision", "Kind", "Policy", "Scanner", "Span"]
