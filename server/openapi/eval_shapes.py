"""Shapes of answers about evaluations."""

from typing import Literal

from pydantic import Field

from adapters.evaluation import EvalState
from adapters.verdict import Outcome
from server.openapi.openai_shapes import JsonObject
from server.openapi.shape import Shape


class EvalShown(Shape):
    """An evaluation, and how far it is."""

    object: Literal["evaluation"]
    id: str
    name: str
    persona: str
    adapter: str | None
    version: int | None
    current: int | None
    arms: list[str]
    state: EvalState
    total: int
    done: int
    per_second: float | None
    seconds_left: float | None
    by: str
    created_at: float
    finished_at: float | None
    error: JsonObject | None
    outcome: Outcome | None
    reason: str | None
    stale: bool = Field(description="The persona is told something else by now: evaluate again.")


class EvalList(Shape):
    """Evaluations, the newest first."""

    object: Literal["list"]
    data: list[EvalShown]


class EvalReport(EvalShown):
    """What came out."""

    cases: int
    metrics: list[JsonObject] = Field(description="Each metric in each slice: values, intervals, differences.")
    gate: JsonObject | None = Field(description="Outcome, reason and rules.")
    judge: JsonObject | None
    failed: JsonObject = Field(description="Questions without an answer, by arm.")
    answers: list[JsonObject] = Field(description="Each case with the answers of all arms and their scores.")
