"""From what an eval file names to cases: a JSONL file beside it, a part of a data set, a builtin set."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue, ValidationError

from adapters.datasets.example import Example, Message
from adapters.datasets.reading import read_dataset
from adapters.evaluation.case import Case
from adapters.evaluation.reading import EvalFileInvalid
from adapters.evaluation.safety import builtin_cases
from adapters.evaluation.spec import CaseOfSet, CaseSet, EvalSpec
from adapters.evaluation.task import Task

FindPart = Callable[[str], tuple[Path, str]]
"""Gives the file of `NAME@VERSION/PART`, and the key of a row's label."""
_MOST_CASES = 50_000


def inlined(spec: EvalSpec, folder: Path) -> EvalSpec:
    """Return the spec with the cases of its JSONL files inside, so that it can be sent.

    Raises:
        EvalFileInvalid: a file is missing, or a line of it is no case.
    """
    sets = [one if one.file is None else _with_file(one, folder / one.file) for one in spec.sets]
    return spec.model_copy(update={"sets": sets})


def gather(spec: EvalSpec, find: FindPart) -> list[Task]:
    """Return every case, in the order of the file.

    Raises:
        EvalFileInvalid: a case lacks what its graders need, or two have one id.
        NotFound: there is no such data set.
    """
    tasks = [task for one in spec.sets for task in _tasks(one, find)]
    known: set[str] = set()
    for task in tasks:
        if task.key in known:
            raise EvalFileInvalid(f"Two cases are called {task.key!r}. Give each an `id` of its own.")
        known.add(task.key)
    if len(tasks) > _MOST_CASES:
        raise EvalFileInvalid(f"There are {len(tasks)} cases, over {_MOST_CASES}. Set a `limit`.")
    return tasks


def _tasks(one: CaseSet, find: FindPart) -> Iterator[Task]:
    if one.builtin is not None:
        for case, graders in builtin_cases(one.builtin, one.canaries, one.limit):
            yield Task(key=f"{one.name}/{case.id}", set=one.name, case=case, graders=graders)
        return
    if one.file is not None:
        raise EvalFileInvalid(
            f"The set {one.name!r} names a file, which only `repertory eval` reads. Send its cases."
        )
    cases = list(one.cases) if one.data is None else list(_of_part(one.data, *find(one.data)))
    for number, case in _spread(cases, one.limit):
        named = case if case.id else case.model_copy(update={"id": str(number + 1)})
        own = named.graders if isinstance(named, CaseOfSet) else None
        graders = tuple(one.graders if own is None else own)
        key = f"{one.name}/{named.id}"
        for grader in graders:
            if lacking := grader.needs(named):
                raise EvalFileInvalid(f"The case {key!r} has no `{lacking}`, which {grader.kind!r} compares with.")
        plain = Case.model_validate(named.model_dump(exclude={"graders"}))
        yield Task(key=key, set=one.name, case=plain, graders=graders, judged=one.judge)


def _spread(cases: Sequence[Case], limit: int | None) -> list[tuple[int, Case]]:
    numbered = list(enumerate(cases))
    if limit is None or limit >= len(numbered):
        return numbered
    return [numbered[place * len(numbered) // limit] for place in range(limit)]


def _of_part(name: str, path: Path, label_key: str) -> Iterator[Case]:
    for example in read_dataset(path, name=name, label_key=label_key).examples:
        try:
            yield case_of(example)
        except ValidationError as error:
            raise EvalFileInvalid(f"{name}: line {example.line} is no case: {_first(error)}.") from error


def case_of(example: Example) -> Case:
    """Return the case that an example of a data set makes: its last answer is what is expected.

    The system prompt is left out: the persona is served with its own.
    """
    messages = list(_asked(example.messages[:-1]))
    answer = example.answer
    calls = [
        {"name": one["function"]["name"], "arguments": one["function"]["arguments"]} for one in answer.tool_calls
    ]
    values: dict[str, object] = {
        "id": str(example.line),
        "messages": messages,
        "expected": [answer.content] if answer.content else [],
        "calls": calls if calls or example.tools else None,
        "tools": list(example.tools),
        "label": example.about.label,
        "tags": list(example.about.tags)[:20],
        "group": example.about.group,
    }
    return Case.model_validate(values)


def _asked(messages: Sequence[Message]) -> Iterator[dict[str, object]]:
    """Yield what comes before the answer, each tool's result with the id of the call that it belongs to."""
    waiting: list[str] = []
    for place, one in enumerate(messages):
        if one.role in ("system", "developer"):
            continue
        told: dict[str, object] = {"role": one.role, "content": one.content}
        if one.tool_calls:
            calls = _calls(one.tool_calls, place)
            waiting = [str(call["id"]) for call in calls]
            told["tool_calls"] = calls
        elif one.role == "tool":
            told["tool_call_id"] = waiting.pop(0) if waiting else f"call_{place}"
        yield told


def _calls(calls: Sequence[Mapping[str, object]], place: int) -> list[dict[str, JsonValue]]:
    told: list[dict[str, JsonValue]] = json.loads(json.dumps(calls))
    for number, call in enumerate(told):
        call["id"] = call.get("id") or f"call_{place}_{number}"
        if isinstance(function := call.get("function"), dict):
            function["arguments"] = json.dumps(function.get("arguments"))
    return told


def _with_file(one: CaseSet, path: Path) -> CaseSet:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # a line of JSON may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise EvalFileInvalid(
            f"The set {one.name!r} names {str(path)!r}, which cannot be read: {reason}."
        ) from error
    cases = [_case_of_line(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not cases:
        raise EvalFileInvalid(f"The set {one.name!r} names {str(path)!r}, in which there is no case.")
    return one.model_copy(update={"cases": cases, "file": None})


def _case_of_line(path: Path, number: int, line: str) -> CaseOfSet:
    try:
        value = json.loads(line)
        if isinstance(value, dict) and "messages" in value and "expected" not in value:
            value = _of_chat(value)
        case = CaseOfSet.model_validate(value)
    except ValidationError as error:
        raise EvalFileInvalid(f"{path.name}:{number}: {_first(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise EvalFileInvalid(f"{path.name}:{number}: no JSON. Write one object on each line.") from error
    return case if case.id else case.model_copy(update={"id": str(number)})


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")


def _of_chat(value: dict[str, JsonValue]) -> dict[str, object]:
    """Read a row of training data as a case: its last answer is what is expected."""
    messages = value["messages"]
    if not isinstance(messages, list) or len(messages) < 2 or not isinstance(messages[-1], dict):
        return dict(value)
    if messages[-1].get("role") != "assistant":
        return dict(value)
    asked = [
        {key: one[key] for key in ("role", "content", "tool_calls", "tool_call_id") if one.get(key) is not None}
        for one in messages[:-1]
        if isinstance(one, dict) and one.get("role") not in ("system", "developer")
    ]
    kept: dict[str, object] = {key: value[key] for key in CaseOfSet.model_fields.keys() & value.keys()}
    said, calls = messages[-1].get("content"), _called(messages[-1].get("tool_calls"))
    if "calls" not in value and (calls or value.get("tools")):
        kept["calls"] = calls
    return {**kept, "messages": asked, "expected": [said] if isinstance(said, str) and said else []}


def _called(calls: JsonValue) -> list[JsonValue]:
    """Return the calls of an answer as those that are expected; what is none is left for the case to refuse."""
    told: list[JsonValue] = []
    for one in calls if isinstance(calls, list) else ():
        function = one.get("function") if isinstance(one, dict) else None
        if not isinstance(function, dict):
            told.append(one)
            continue
        arguments = function.get("arguments")
        with suppress(ValueError):
            arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        told.append({"name": function.get("name"), "arguments": arguments})
    return told
