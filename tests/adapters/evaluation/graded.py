"""Small answers for tests of graders and of the gate."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from adapters.evaluation import Answer, Arm, EvalSpec, gather
from adapters.evaluation.case import Case
from adapters.evaluation.graders import Grader
from adapters.evaluation.measure import Measured
from adapters.evaluation.scoring import Work, score

_GRADER: TypeAdapter[Grader] = TypeAdapter(Grader)


def measured(
    options: Mapping[str, Any], cases: Sequence[Mapping[str, Any]], answers: Sequence[Answer | str]
) -> dict[str, Measured]:
    """Return what a grader finds, by metric."""
    grader = _GRADER.validate_python(options)
    pairs = [
        (Case.model_validate({"prompt": "?", **case} if "likelihood" not in case else case), told(answer))
        for case, answer in zip(cases, answers, strict=True)
    ]
    return {one.name: one for one in grader.measure(pairs)}


def told(answer: Answer | str) -> Answer:
    return answer if isinstance(answer, Answer) else Answer(text=answer)


def result(
    rights: Mapping[Arm, Sequence[bool]], gate: Sequence[Mapping[str, Any]], groups: Sequence[str | None] = ()
) -> dict[str, Any]:
    """Return the result of an evaluation in which each arm is right or wrong as given."""
    count = len(next(iter(rights.values())))
    cases = [
        {"id": str(place), "prompt": f"{place}?", "expected": "yes", "tags": ["even" if place % 2 == 0 else "odd"]}
        | ({"group": groups[place]} if groups else {})
        for place in range(count)
    ]
    spec = EvalSpec.model_validate(
        {
            "name": "test",
            "persona": "plain",
            "sets": [{"name": "set", "cases": cases, "graders": [{"kind": "exact"}, {"kind": "latency"}]}],
            "gate": list(gate),
        }
    )

    def nothing(name: str) -> Any:
        raise AssertionError(name)

    tasks = gather(spec, nothing)
    answers = {
        arm: {
            task.key: Answer(text="yes" if right else "no", seconds=1 + (place % 3) / 10 + (arm is Arm.CANDIDATE))
            for place, (task, right) in enumerate(zip(tasks, one, strict=True))
        }
        for arm, one in rights.items()
    }
    return score(Work(spec=spec, tasks=tuple(tasks), answers=answers))


def rule(comparator: str = "base", op: str = ">", **fields: Any) -> dict[str, Any]:
    """Return a rule on the exact answers."""
    return {"metric": "set.exact", "comparator": comparator, "op": op, **fields}
