"""The parts of evaluation that routes and pipelines work with."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from adapters.evaluation import Evaluations
from server.evaluation.beginning import Beginning
from server.evaluation.pipeline import PipelineGate
from server.evaluation.worker import EvaluationWorker

Likelihood = Callable[[str, str], Awaitable[Sequence[float]]]
"""Gives the log-probability of each token of a text but the first, under a model of the engine."""


@dataclass(frozen=True, slots=True)
class Evaluating:
    """All of it.

    Attributes:
        gate: evaluates a version for a training pipeline; an `adapters.verdict.Evaluate`.
        likelihood: asks the engine how likely a text is; None where nothing can.
    """

    store: Evaluations
    beginning: Beginning
    worker: EvaluationWorker
    gate: PipelineGate
    likelihood: Likelihood | None = None
