"""An approval and the states that it goes through. Pure; must never know the database."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from actions.json_value import JsonObject
from actions.result import ActionResult
from core.ids import ConversationId, PersonaId, PrincipalId


class ApprovalState(StrEnum):
    """Where a call that needs approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Decision(StrEnum):
    """What a person says."""

    APPROVE = "approve"
    DENY = "deny"
    EDIT = "edit"


TRANSITIONS: Mapping[ApprovalState, frozenset[ApprovalState]] = {
    ApprovalState.PENDING: frozenset({ApprovalState.APPROVED, ApprovalState.DENIED, ApprovalState.EXPIRED}),
    ApprovalState.APPROVED: frozenset({ApprovalState.SENT, ApprovalState.EXPIRED}),
    ApprovalState.SENT: frozenset({ApprovalState.DONE, ApprovalState.FAILED, ApprovalState.UNKNOWN}),
    ApprovalState.UNKNOWN: frozenset({ApprovalState.DONE, ApprovalState.FAILED}),
    ApprovalState.DENIED: frozenset(),
    ApprovalState.EXPIRED: frozenset(),
    ApprovalState.DONE: frozenset(),
    ApprovalState.FAILED: frozenset(),
}
"""From each state to those that may follow. No road leads to `sent` twice."""

LIVE = (ApprovalState.PENDING, ApprovalState.APPROVED, ApprovalState.SENT)
"""States in which the same call is not asked for again."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person made of a call when approving it: other arguments, and what the call does with them."""

    arguments: JsonObject
    effect: str


@dataclass(frozen=True, slots=True)
class Approval:
    """One call that waits, or waited, for a person.

    Attributes:
        arguments: those that were asked for.
        arguments_hash: theirs; the same call is known by it, whatever a person made of it.
        effect: what the call does as asked for: method and URL.
        edited: what a person made of it; it is then made so, and not as asked for.
        created_at: seconds since the epoch, as are the other times.
        expires_at: when it stops being pending, or approved and unused.
        result: what came of it, once it is done, failed, or known to be unknown.
    """

    id: str
    principal: PrincipalId
    persona: PersonaId
    conversation: ConversationId
    operation: str
    arguments: JsonObject
    arguments_hash: str
    effect: str
    state: ApprovalState
    created_at: float
    expires_at: float
    decided_at: float | None
    decided_by: str | None
    sent_at: float | None
    finished_at: float | None
    result: ActionResult | None
    edited: Edit | None = None

    @property
    def final_arguments(self) -> JsonObject:
        """The arguments that the call is made with."""
        return self.edited.arguments if self.edited else self.arguments

    @property
    def final_effect(self) -> str:
        """What the call does with them."""
        return self.edited.effect if self.edited else self.effect


def arguments_hash(arguments: JsonObject) -> str:
    """Return the SHA-256 over the canonical JSON of `arguments`."""
    canonical = json.dumps(arguments, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
