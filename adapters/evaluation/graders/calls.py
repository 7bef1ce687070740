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
    """Return what is wrong; a call is taken for whichever expected one lets all others find theirs."""
    problems = [[difference(one, call) for call in answer.calls] for one in wanted]
    taken: dict[int, int] = {}  # call → the expected one that it is
    for place, mine in enumerate(problems):
        if not _placed(place, problems, taken, set()):
            return next((problem for problem in mine if problem), f"{wanted[place].name!r} is not called")
    more = next((call for number, call in enumerate(answer.calls) if number not in taken), None)
    return None if more is None else f"{more.name!r} is called, too"


def _placed(place: int, problems: Sequence[Sequence[str | None]], taken: dict[int, int], seen: set[int]) -> bool:
    """Give an expected call one that was made, moving others where need be (Kuhn's matching)."""
    for number, problem in enumerate(problems[place]):
        if problem is None and number not in seen:
            seen.add(number)
            if number not in taken or _placed(taken[number], problems, taken, seen):
                taken[number] = place
                return True
    return False


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
        elif not _same(call.arguments[name], accepted):
            return f"the argument {name!r} is another"
    return None


def _accepted(value: JsonValue) -> list[JsonValue]:
    several = value.get("any_of") if isinstance(value, dict) and value.keys() == {"any_of"} else None
    return several if isinstance(several, list) else [value]


def _same(said: JsonValue, wanted: JsonValue) -> bool:
    """Compare at every depth, at which there may be an `any_of`, too."""
    accepted = _accepted(wanted)
    if accepted != [wanted]:
        return any(_same(said, one) for one in accepted)
    if isinstance(said, dict) and isinstance(wanted, dict):
        left_out = {key for key, value in wanted.items() if isinstance(value, dict) and "" in _accepted(value)}
        if not wanted.keys() - left_out <= said.keys() <= wanted.keys():
            return False
        return all(_same(value, wanted[key]) for key, value in said.items())
    if isinstance(said, list) and isinstance(wanted, list):
        return len(said) == len(wanted) and all(map(_same, said, wanted))
    if isinstance(said, bool) or isinstance(wanted, bool):
        return said is wanted
    if isinstance(said, str) and isinstance(wanted, str):
        return said.strip().casefold() == wanted.strip().casefold()
    return said == wanted
