"""What speaks against a version that has answered, and what is the caller's fault, or the server's."""

from adapters.rollouts.plan import CANARY
from adapters.rollouts.tally import Fault
from core.errors import ErrorKind
from server.turn.record import TurnRecord

_VERSIONS = frozenset({ErrorKind.UPSTREAM, ErrorKind.INTERNAL})
"""Errors that a version may have caused. Every other one is the caller's, or would have met any version."""


def may_blame(kind: ErrorKind) -> bool:
    """Tell whether an error may be the fault of the version that was asked."""
    return kind in _VERSIONS


def fault_of(record: TurnRecord) -> Fault | None:
    """Return what was wrong with a turn; None where no version is to blame or to praise.

    With everybody in the canary nothing tells an engine in trouble from a version that is.
    """
    if record.abandoned:
        return Fault.ABANDONED
    if record.error_kind is not None:
        compared = record.answering is not None and record.answering.stage != CANARY[-1]
        engines = record.error_kind is ErrorKind.UPSTREAM
        return Fault.ERROR if may_blame(record.error_kind) and (compared or not engines) else None
    return None if record.seen is None else record.seen.fault(record.finish)
