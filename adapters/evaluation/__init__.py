"""Evaluation of adapter versions: eval files, graders, statistics, reports and the gate. The face."""

from adapters.evaluation.answer import Answer, Arm, Call, Source
from adapters.evaluation.evaluation import Definition, EvalState, Evaluation
from adapters.evaluation.gathering import gather, inlined
from adapters.evaluation.grading import graded
from adapters.evaluation.reading import EvalFileInvalid, parse_spec, read_spec, spec_of
from adapters.evaluation.rules import check_rules, counts
from adapters.evaluation.spec import EvalSpec
from adapters.evaluation.store import Evaluations, NewEvaluation
from adapters.evaluation.task import Task

__all__ = [
    "Answer",
    "Arm",
    "Call",
    "Definition",
    "EvalFileInvalid",
    "EvalSpec",
    "EvalState",
    "Evaluation",
    "Evaluations",
    "NewEvaluation",
    "Source",
    "Task",
    "check_rules",
    "counts",
    "gather",
    "graded",
    "inlined",
    "parse_spec",
    "read_spec",
    "spec_of",
]
