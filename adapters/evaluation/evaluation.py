"""An evaluation: what is known of it, and the states that it goes through. Knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from adapters.evaluation.answer import Arm
from adapters.evaluation.spec import EvalSpec
from adapters.evaluation.task import Task
from adapters.verdict import Outcome, Verdict


class EvalState(StrEnum):
    """Where an evaluation stands."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (EvalState.QUEUED,)


class Definition(BaseModel):
    """What is asked and how it is graded; it never changes once an evaluation has begun."""

    model_config = ConfigDict(frozen=True)

    spec: EvalSpec
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation.

    Attributes:
        adapter: the persona's adapter; None where it has none.
        candidate: the version that is evaluated; None for the prompt and the current one alone.
        current: the version that was in production when it was begun.
        revision: of the persona.
        instructions: hash of what the persona was told then; another one makes its verdict stale.
        total: answers that it takes.
        moves: whether its verdict moves the version, as opposed to a pipeline that does.
        by: who asked for it.
        principal: as whom the questions are asked: id, scopes, personas.
        attempts: how often it was begun without getting on.
    """

    id: str
    name: str
    persona: str
    adapter: str | None
    candidate: int | None
    current: int | None
    revision: str
    instructions: str
    total: int
    moves: bool
    by: str
    principal: Mapping[str, object]
    state: EvalState
    attempts: int
    next_at: float
    created_at: float
    finished_at: float | None
    error: Mapping[str, str] | None
    outcome: Outcome | None
    reason: str | None

    @property
    def arms(self) -> list[Arm]:
        """Who is asked."""
        arms = [Arm.BASE]
        if self.current is not None and self.current != self.candidate:
            arms.append(Arm.CURRENT)
        return [*arms, Arm.CANDIDATE] if self.candidate is not None else arms

    def verdict(self) -> Verdict | None:
        """Return what its gate said; None where it has not ended, or has no gate."""
        return None if self.outcome is None else Verdict(self.outcome, self.reason or "", self.id)

    def shown(self) -> dict[str, object]:
        """Return it for programs, without its result."""
        return {
            "object": "evaluation",
            "id": self.id,
            "name": self.name,
            "persona": self.persona,
            "adapter": self.adapter,
            "version": self.candidate,
            "current": self.current,
            "arms": [arm.value for arm in self.arms],
            "state": self.state.value,
            "total": self.total,
            "by": self.by,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
            "error": self.error,
            "outcome": None if self.outcome is None else self.outcome.value,
            "reason": self.reason,
        }
