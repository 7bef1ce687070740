"""A job of a hook and its callbacks, and the states that they go through. Pure; knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import orjson

from core.ids import PersonaId, PrincipalId
from core.principal import Principal, Scope
from server.personas.library import HOOK


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class CallbackState(StrEnum):
    """Where a callback stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Job:
    """One question that came through a hook.

    Attributes:
        delivery: the sender's id of it, unique for the hook.
        reference: the sender's own word, told back in each callback.
        attempts: how often it was begun without an end.
        created_at: seconds since the epoch, as are the other times.
        next_at: when it is tried again.
    """

    id: str
    persona: PersonaId
    hook: str
    delivery: str
    question: str
    reference: str | None
    callback_url: str | None
    state: JobState
    attempts: int
    next_at: float
    created_at: float
    finished_at: float | None

    @property
    def conversation(self) -> str:
        """The client's word for the conversation: each job is one of its own."""
        return self.id


@dataclass(frozen=True, slots=True)
class Callback:
    """What a sender is told, once and for all: its bytes never change.

    Attributes:
        id: the delivery id, the same at each try.
        begun_at: from when on the tries count.
    """

    id: str
    job: str
    body: str
    state: CallbackState
    attempts: int
    next_at: float
    begun_at: float
    delivered_at: float | None
    last_status: int | None

    def told(self) -> Mapping[str, object]:
        """Return the body as JSON."""
        told: Mapping[str, object] = orjson.loads(self.body)
        return told


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking.

    Attributes:
        state: the state that the job goes to.
        told: what the callback says beside the ids.
    """

    state: JobState
    told: Mapping[str, object]


def principal_of(hook: str, persona: PersonaId) -> Principal:
    """Return who asks through a hook: a principal of its own, for one persona, that may chat and nothing else."""
    return Principal(PrincipalId(HOOK + hook), frozenset({Scope.CHAT}), frozenset({persona}))


def done(answer: str, citations: object) -> Outcome:
    """Return the outcome of an answer."""
    return Outcome(JobState.DONE, {"status": "done", "answer": answer, "citations": citations})


def failed(code: str, message: str) -> Outcome:
    """Return the outcome of a failure that trying again does not mend."""
    return Outcome(JobState.FAILED, {"status": "failed", "error": {"code": code, "message": message}})
