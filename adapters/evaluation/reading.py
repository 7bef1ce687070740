"""From an eval file to a checked spec, with every problem named by file, line, place and what to write."""

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from adapters.evaluation.spec import EvalSpec
from core.errors import InvalidRequest
from core.yaml_source import Path as Place
from core.yaml_source import SourceError, dotted, parse

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MOST_TOLD = 10


class EvalFileInvalid(InvalidRequest):
    """An eval file cannot be used; the message names each place."""

    code = "eval_file_invalid"


def read_spec(path: Path) -> EvalSpec:
    """Read an eval file.

    Raises:
        EvalFileInvalid: it has problems.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvalFileInvalid(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    return parse_spec(content, path.name)


def parse_spec(content: bytes, name: str) -> EvalSpec:
    """Read the text of an eval file; `name` is what problems are told with.

    Raises:
        EvalFileInvalid: it has problems.
    """
    try:
        source = parse(content, too_long="move its cases to a JSONL file (`file: …`) or to a data set (`data: …`)")
    except SourceError as error:
        raise EvalFileInvalid(f"{name}:{error.line}: {error.field or ''} {error.message}.") from error
    return _checked(source.data, lambda place: f"{name}:{source.line(place)}")


def spec_of(data: object) -> EvalSpec:
    """Check what came as JSON.

    Raises:
        EvalFileInvalid: it has problems.
    """
    return _checked(data, lambda place: "spec")


def _checked(data: object, line: Callable[[Place], str]) -> EvalSpec:
    try:
        return EvalSpec.model_validate(data)
    except ValidationError as error:
        told = list(_told(data, line, error))
        more = [f"and {len(told) - _MOST_TOLD} more"] if len(told) > _MOST_TOLD else []
        raise EvalFileInvalid("; ".join([*told[:_MOST_TOLD], *more]) + ".") from error


def _told(data: object, line: Callable[[Place], str], error: ValidationError) -> Iterator[str]:
    for detail in error.errors():
        place = tuple(_existing(data, detail["loc"]))
        where = dotted(place)
        yield f"{line(place)}: {where + ': ' if where else ''}{_advice(detail)}"


def _existing(data: object, loc: tuple[int | str, ...]) -> Iterator[int | str]:
    """Leave out what pydantic adds to a place, such as the kind of a grader; the last field may be missing."""
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        if isinstance(data, list):
            there = isinstance(part, int) and part < len(data)
            data = data[part] if isinstance(part, int) and part < len(data) else data
        else:
            there = isinstance(data, dict) and (part in data or last)
            data = data.get(part) if isinstance(data, dict) and there else data
        if there:
            yield part


def _advice(detail: "ErrorDetails") -> str:
    field = str(detail["loc"][-1]) if detail["loc"] else ""
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, sorted(_all_fields(EvalSpec, set())), n=1)
        return "unknown field" + (f"; did you mean {near[0]!r}?" if near else "; leave it out")
    if detail["type"] == "missing":
        return f"missing; write `{field}: …`"
    if detail["type"] == "union_tag_not_found":
        return "missing; write `kind: exact`, for example"
    given = repr(detail["input"])
    shown = f", not {given}" if len(given) <= 60 and detail["type"] != "value_error" else ""
    return detail["msg"].removeprefix("Value error, ") + shown


def _all_fields(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[str]:
    seen.add(model)
    names: set[str] = set()
    for name, info in model.model_fields.items():
        names.add(info.alias or name)
        for inner in _models_in(info.annotation):
            if inner not in seen:
                names |= _all_fields(inner, seen)
    return names


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)
