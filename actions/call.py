"""A call that is made, and the states that it goes through. Pure; must never know the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from actions.json_value import JsonObject
from core.ids import ConversationId, PersonaId, PrincipalId


class CallState(StrEnum):
    """Where a call stands."""

    INTENDED = "intended"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DROPPED = "dropped"


CALL_TRANSITIONS: Mapping[CallState, frozenset[CallState]] = {
    CallState.INTENDED: frozenset({CallState.SENT, CallState.FAILED, CallState.DROPPED}),
    CallState.SENT: frozenset({CallState.SENT, CallState.DONE, CallState.FAILED, CallState.UNKNOWN}),
    CallState.DONE: frozenset(),
    CallState.FAILED: frozenset(),
    CallState.UNKNOWN: frozenset({CallState.DONE, CallState.FAILED}),
    CallState.DROPPED: frozenset(),
}
"""From each state to those that may follow. A further try of a call that was sent is `sent` again.

What was given up as unknown is known after all where its maker lives on: a call by hand, beside which a server
started.
"""


@dataclass(frozen=True, slots=True)
class Intent:
    """Who wants to call what.

    Attributes:
        revision: content hash of the persona.
        target: method and server, without what the arguments add.
        approval: id of the approval, for a call that needs one.
        decided_by: who approved it.
    """

    principal: PrincipalId
    persona: PersonaId
    revision: str
    conversation: ConversationId
    operation: str
    target: str
    arguments: JsonObject
    approval: str | None = None
    decided_by: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the journal.

    Attributes:
        arguments_hash: SHA-256 of the canonical JSON; empty once it is forgotten.
        arguments: the arguments themselves, where the operator lets them be kept.
        attempts: how often it was sent.
        status: the last HTTP status, where an answer came.
        created_at: seconds since the epoch, as are the other times.
    """

    id: str
    principal: PrincipalId
    persona: PersonaId
    revision: str
    conversation: ConversationId
    operation: str
    target: str
    arguments_hash: str
    arguments: JsonObject | None
    approval: str | None
    decided_by: str | None
    state: CallState
    attempts: int
    status: int | None
    created_at: float
    sent_at: float | None
    finished_at: float | None
