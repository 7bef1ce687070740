"""The grader of tool calls: the right function, with every argument among the accepted ones."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import JsonValue

from adapters.evaluation.answer import Answer, Call
from adapters.evaluation.case import Case, ExpectedCall
from adapters.evaluation.graders.grader import Options, Pair, failed
from adapters.evaluation.measure import Measured, share


class ToolCall(Options):
    """The calls of an answer are those of `calls`, in any order, and no others (as BFCL matches them).

    An argument's value under `any_of` may be any of a list, and '' in it lets the argument be left out.
    `calls: []` wants no call, as where no tool fits the question.
    """

    kind: Literal["tool_call"]

    def needs(self, case: Case) -> str | None:
        """Want to know the right calls."""
        return "calls" if case.calls is None else None

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield the share of right calls."""
        told = [failed(answer) or _problem(case.calls or [], answer) for case, answer in pairs]
        yield share(self.metric, [(problem is None, problem or "") for problem in told])


def _problem(wanted: Sequence[ExpectedCall], answer: Answer) -> str | None:
    left = list(answer.calls)
    for one in wanted:
        problems = [(call, difference(one, call)) for call in left]
        fitting = next((call for call, problem in problems if problem is None), None)
        if fitting is None:
            return next((problem for _, problem in problems if problem), f"{one.name!r} is not called")
        left.remove(fitting)
    return f"{left[0].name!r} is called, too" if left else None


def difference(wanted: ExpectedCall, call: Call) -> str | None:
    """Return what is wrong with a call; None where it is right."""
    if call.name != wanted.name:
        return f"{call.name!r} is called, not {wanted.name!r}"
    if call.arguments is None:
        return "its arguments are no JSON object"
    for name in sorted(call.arguments.keys() - wanted.arguments.keys()):
        return f"the argument {name!r} is not expected"
    for name, accepted in wanted.arguments.items():
        values = _accepted(accepted)
        if name not in call.arguments:
            if "" not in values or not isinstance(accepted, dict):
                return f"the argument {name!r} is missing"
        elif not any(_same(call.arguments[name], one) for one in values):
            return f"the argument {name!r} is another"
    return None


def _accepted(value: JsonValue) -> list[JsonValue]:
    several = value.get("any_of") if isinstance(value, dict) and value.keys() == {"any_of"} else None
    return several if isinstance(several, list) else [value]


def _same(one: JsonValue, other: JsonValue) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, str) and isinstance(other, str):
        return one.strip().casefold() == other.strip().casefold()
    return one == other
