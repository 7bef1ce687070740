"""The texts of one turn, collected only where the operator opted in to keep them.

Holds what the client newly said and what it was answered; never passages' text or instructions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from server.turn.request import ChatRequest


class Step(Protocol):
    """An action step that can be shown."""

    def shown(self) -> Mapping[str, object]:
        """Return it with its arguments."""
        ...


@dataclass(slots=True)
class TurnContent:
    """Filled while the turn runs.

    Attributes:
        messages: those of the request that came after the last answer.
        steps: the action steps, with arguments.
        answers: number of the answer → its pieces, as they were sent.
    """

    messages: list[dict[str, object]]
    steps: Sequence[Step]
    answers: dict[int, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, request: ChatRequest, steps: Sequence[Step]) -> "TurnContent":
        """Begin with what the request newly says, and the list that the turn's steps will go into."""
        told = request.messages
        last = max((place for place, one in enumerate(told) if one.role == "assistant"), default=-1)
        return cls([message.model_dump(exclude_none=True) for message in told[last + 1 :]], steps)

    def texts(self) -> list[str]:
        """Return each answer as one string."""
        return ["".join(self.answers[index]) for index in sorted(self.answers)]
