"""From persona files to checked personas, with every problem named by file, line and field.

Reads files; never decides which set serves.
"""

import difflib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import orjson
from pydantic import BaseModel, ValidationError

from actions import ActionSet
from core.errors import RepertoryError
from core.yaml_source import Source, SourceError, dotted, parse
from server.personas.schema import PersonaSpec

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_REVISION_CHARS = 16


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a persona file."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Persona:
    """A checked persona, ready to serve.

    Attributes:
        revision: hash of the content; comments and layout do not change it.
        actions: the operations that it may call.
    """

    spec: PersonaSpec
    revision: str
    file: str
    actions: ActionSet

    @property
    def id(self) -> str:
        """The model name."""
        return self.spec.id


@dataclass(frozen=True, slots=True)
class LoadedSet:
    """The outcome of reading a folder: the personas that are whole, and what is wrong with the others."""

    personas: Mapping[str, Persona]
    problems: tuple[Problem, ...]


LoadActions = Callable[[PersonaSpec], ActionSet]


def load_folder(folder: Path, load_actions: LoadActions) -> LoadedSet:
    """Read every `*.yaml` in `folder`.

    Args:
        folder: where the persona files are.
        load_actions: reads the OpenAPI documents that a persona names.
    """
    personas: dict[str, Persona] = {}
    problems: list[Problem] = []
    if not folder.is_dir():
        missing = Problem(str(folder), 1, "", "no such folder; create it or set REPERTORY_PERSONAS_DIR")
        return LoadedSet({}, (missing,))
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        loaded = load_file(path, load_actions)
        if not isinstance(loaded, Persona):
            problems.extend(loaded)
        elif (other := personas.get(loaded.id)) is not None:
            message = f"{loaded.id!r} is taken by {other.file}; choose another id"
            problems.append(Problem(path.name, _line_of_id(path), "id", message))
        else:
            personas[loaded.id] = loaded
    return LoadedSet(MappingProxyType(personas), tuple(problems))


def load_file(path: Path, load_actions: LoadActions) -> Persona | tuple[Problem, ...]:
    """Read one persona file, or say everything that is wrong with it."""
    try:
        source = parse(path.read_bytes())
    except OSError as error:
        return (Problem(path.name, 1, "", f"cannot be read: {error.strerror}"),)
    except SourceError as error:
        return (Problem(path.name, error.line, error.field or "", error.message),)
    if not isinstance(source.data, dict):
        return (Problem(path.name, 1, "", "must be a mapping; write fields such as `id: my-persona`"),)
    try:
        spec = PersonaSpec.model_validate(source.data)
    except ValidationError as error:
        return tuple(_problems_of(path, source, error))
    try:
        actions = load_actions(spec)
    except RepertoryError as error:
        return (Problem(path.name, source.line(("actions",)), "actions", error.message),)
    return Persona(spec, revision_of(spec), path.name, actions)


def revision_of(spec: PersonaSpec) -> str:
    """Return the content hash that names a revision of a persona."""
    canonical = orjson.dumps(spec.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:_REVISION_CHARS]


def _line_of_id(path: Path) -> int:
    try:
        return parse(path.read_bytes()).line(("id",))
    except (OSError, SourceError):  # changed since it was read a moment ago
        return 1


def _problems_of(path: Path, source: Source, error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors():
        place = _existing_place(detail["loc"])
        yield Problem(path.name, source.line(place), dotted(place), _advice(detail))


def _existing_place(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Drop what pydantic puts into a location beside field names (union members, for instance)."""
    return tuple(part for part in loc if isinstance(part, int) or (part != "str" and part.isidentifier()))


def _advice(detail: "ErrorDetails") -> str:
    field = str(detail["loc"][-1]) if detail["loc"] else ""
    owner = _model_at(detail["loc"][:-1])
    if detail["type"] == "extra_forbidden" and owner is not None:
        near = difflib.get_close_matches(field, owner.model_fields, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        return f"unknown field; {guess}Known here: {', '.join(owner.model_fields)}"
    if detail["type"] == "missing" and owner is not None:
        info = owner.model_fields.get(field)
        return f"missing; write `{field}: …`" + (f" ({info.description})" if info and info.description else "")
    message = detail["msg"].removeprefix("Value error, ")
    info = owner.model_fields.get(field) if owner is not None else None
    given = repr(detail["input"])
    shown = f", not {given}" if len(given) <= 60 and detail["type"] != "value_error" else ""
    return f"{message}{shown}" + (f" ({info.description})" if info and info.description else "")


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the pydantic model whose fields live at `loc` of a persona.

    Where there are several, a word such as `[mcp]` in `loc` says that it is the one with that field.
    """
    models: list[type[BaseModel]] = [PersonaSpec]
    for part in loc:
        if isinstance(part, int):
            continue
        if part.startswith("["):
            models = [model for model in models if part.strip("[]") in model.model_fields]
            continue
        info = models[0].model_fields.get(part) if models else None
        models = list(_models_in(info.annotation)) if info is not None else []
    return models[0] if models else None


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)
