"""Shapes of answers about rollouts, retirements and model cards."""

from typing import Literal

from adapters.verdict import Outcome
from adapters.version import VersionState
from server.openapi.openai_shapes import JsonObject
from server.openapi.shape import Shape

_State = Literal["running", "paused", "promoted", "stopped", "broken_off"]
_Stage = Literal["shadow", "1", "5", "25", "50", "100", "production"]


class StopsShown(Shape):
    """What ends a rollout at once."""

    turns: int
    window: int
    errors: float
    empty: float
    truncated: float
    repeated: float
    latency: float
    slower: float
    unsafe: int


class PlanShown(Shape):
    """How a rollout goes."""

    unit: Literal["user", "conversation"]
    metric: Literal["faults", "outcome"]
    alpha: float
    tau: float
    most: int
    stops: StopsShown


class RolloutShown(Shape):
    """A version on its way to users."""

    id: str
    object: Literal["rollout"]
    adapter: str
    version: int
    baseline: int
    state: _State
    stage: _Stage
    next: _Stage | None
    share: float
    plan: PlanShown
    started_at: float
    ended_at: float | None


class RolloutList(Shape):
    """All rollouts."""

    object: Literal["list"]
    data: list[RolloutShown]


class ArmShown(Shape):
    """What one arm of a rollout came to."""

    units: int
    turns: int
    faults: dict[str, int]
    unsafe: int
    good: int
    bad: int
    p95_seconds: float | None


class TestShown(Shape):
    """The state of the sequential test; each point is pairs, p and difference."""

    finding: Literal["running", "better", "worse", "no_difference", "void"]
    p: float
    difference: float
    pairs: int
    most: int
    ratio_p: float
    points: list[list[float]]


class RolloutStepShown(Shape):
    """One thing that was done with a rollout."""

    did: str
    stage: _Stage
    by: str
    reason: str
    at: float


class RolloutWhole(RolloutShown):
    """A rollout with all that is known of it."""

    arms: dict[str, ArmShown]
    test: TestShown
    similarity: float | None
    unasked: int
    steps: list[RolloutStepShown]


class OutcomeTaken(Shape):
    """What was said of an answer is kept, or something was said before."""

    object: Literal["rollout.outcome"]
    response: str
    taken: bool


class RetirementShown(Shape):
    """From when on a version, or a whole adapter, answers no more."""

    name: str
    version: int | None
    at: float
    successor: str


class AliasesShown(Shape):
    """What stands for which version of an adapter."""

    name: str
    aliases: dict[str, int]


class CardBase(Shape):
    """The base model of a version."""

    name: str | None
    fingerprint: str


class CardLineage(Shape):
    """What a version comes from."""

    parent: int | None
    job: str | None
    training_file: str | None
    validation_file: str | None
    data_sha256: str | None


class CardMetric(Shape):
    """What an evaluation or a gate said."""

    state: VersionState
    said: str
    by: str
    at: float


class CardScore(Shape):
    """A metric of one arm, with its interval."""

    value: float
    low: float
    high: float


class CardFigure(Shape):
    """A metric of an evaluation over all cases, for each arm that was asked."""

    metric: str
    n: int
    lower_is_better: bool
    arms: dict[str, CardScore]


class CardRule(Shape):
    """A rule of the gate, and what came of it."""

    metric: str
    slice: str
    comparator: str
    op: str
    margin: float
    value: float | None
    required: bool
    outcome: Outcome
    reason: str


class CardEvaluation(Shape):
    """What the newest evaluation of an eval file found of the version."""

    id: str
    name: str
    persona: str
    finished_at: float | None
    outcome: Outcome | None
    reason: str | None
    metrics: list[CardFigure]
    rules: list[CardRule]


class CardShown(Shape):
    """The model card of a version."""

    name: str
    version: int
    state: VersionState
    digest: str
    intended_use: str
    limits: str
    contact: str
    review_on: str
    base: CardBase
    data: JsonObject | None
    training: JsonObject | None
    lineage: CardLineage
    metrics: list[CardMetric]
    evaluations: list[CardEvaluation]
    author: str
    created_at: float
    warnings: list[str]
    retire_by: float | None
    successor: str
