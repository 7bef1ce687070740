"""What an evaluation sends for a case: a request as a client would make it."""

from collections.abc import Sequence

from pydantic import ValidationError

from adapters.evaluation import Arm, EvalFileInvalid, EvalSpec, Task, check_rules, gather
from adapters.evaluation.gathering import FindPart
from server.turn.request import ChatRequest
from server.wire import invalid_from_validation

_LONGEST_NAME = 128


def persona_of(spec: EvalSpec, arm: Arm) -> str:
    """Return which persona an arm asks."""
    return spec.base.persona or spec.persona if arm is Arm.BASE else spec.persona


def request_of(spec: EvalSpec, arm: Arm, task: Task, name: str) -> ChatRequest:
    """Return the request of an arm.

    Args:
        spec: the eval file.
        arm: who is asked.
        task: a case that asks something.
        name: of the evaluation; part of the conversation's.
    """
    shots = [one.model_dump(exclude_none=True) for one in spec.base.shots] if arm is Arm.BASE else []
    body: dict[str, object] = {
        "model": persona_of(spec, arm),
        "messages": [*shots, *task.case.asked()],
        "temperature": 0,
        "seed": spec.seed,
        "max_completion_tokens": spec.max_tokens,
        "repertory": {"include": True, "conversation": f"{name}-{arm.value}-{task.key}"[:_LONGEST_NAME]},
    }
    if task.case.tools:
        body["tools"] = task.case.tools
    return ChatRequest.model_validate(body)


def checked_tasks(spec: EvalSpec, find: FindPart) -> list[Task]:
    """Return every case of an evaluation that can be asked and judged.

    Raises:
        EvalFileInvalid: a case cannot be asked or graded, or a rule of the gate not be tested.
        NotFound: there is no such data set.
    """
    tasks = gather(spec, find)
    check_rules(spec, tasks)
    check_requests(spec, tasks)
    return tasks


def check_requests(spec: EvalSpec, tasks: Sequence[Task]) -> None:
    """Refuse cases that the server would not take as a question.

    Raises:
        EvalFileInvalid: there is one; the message names it.
    """
    for task in tasks:
        if task.case.likelihood is not None:
            continue
        try:
            request_of(spec, Arm.BASE, task, "eval")
        except ValidationError as error:
            why = invalid_from_validation(error).message
            raise EvalFileInvalid(f"The case {task.key!r} cannot be asked: {why}") from error
