"""OpenAPI documents: reading, bounding, checking. Must never know personas or operations.

A document is untrusted: it is parsed without YAML's object tags, bounded in size, depth and nodes (aliases
count each time they are used), may refer only to itself, and is checked against its own version's schema.
"""

import itertools
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from actions.errors import DocumentInvalid
from actions.json_schema import compiled
from actions.json_value import JsonObject, JsonValue
from actions.pointer import resolve

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator
    from yaml import SafeLoader
else:
    from yaml import CSafeLoader as SafeLoader

_MAX_CHARACTERS = 10_000_000
_MAX_NODES = 1_000_000
_MAX_DEPTH = 100
_MAX_REPORTED = 3
_VERSIONS = ("3.0", "3.1")
_LITERAL = frozenset({"example", "examples", "default", "enum", "const"})
_METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "trace"})


@dataclass(frozen=True, slots=True)
class Document:
    """A checked document.

    Attributes:
        name: how the persona names it: a path or a URL.
        url: where it came from, if from a URL.
    """

    name: str
    content: JsonObject
    url: str | None = None


def read_file(source: str, root: Path) -> str:
    """Return the text of a document in the checkout.

    Raises:
        DocumentInvalid: it lies outside of `root`, or cannot be read.
    """
    path = (root / source).resolve()
    if not path.is_relative_to(root.resolve()):
        raise DocumentInvalid(f"The document {source!r} lies outside of {str(root)!r}. Move it inside.")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DocumentInvalid(
            f"The document {source!r} cannot be read ({reason}). Paths start at {str(root)!r}."
        ) from error


def parse_document(text: str, name: str) -> JsonObject:
    """Parse and check `text`, JSON or YAML.

    Raises:
        DocumentInvalid: it cannot be used; the message names document, operation and place.
    """
    if len(text) > _MAX_CHARACTERS:
        raise DocumentInvalid(f"The document {name!r} is longer than {_MAX_CHARACTERS:,} characters. Cut it down.")
    references: list[str] = []
    try:
        raw = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _Loader)  # noqa: S506
        content = _Plain(name, references).convert(raw)
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentInvalid(f"The document {name!r} is neither JSON nor YAML: {error}") from error
    except RecursionError as error:
        raise DocumentInvalid(f"The document {name!r} is nested too deeply.") from error
    if not isinstance(content, dict):
        raise DocumentInvalid(f"The document {name!r} is not an object. Give an OpenAPI 3.0 or 3.1 document.")
    for reference in references:
        resolve(content, {"$ref": reference}, name)
    _check(content, name)
    return content


class _Loader(SafeLoader):
    """YAML as JSON would have it: a date stays the text that was written."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way of configuration
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
    }


class _Plain:
    """Turns what the parser gave into plain JSON with text keys, and notes the references."""

    def __init__(self, name: str, references: list[str]) -> None:
        self._name = name
        self._references = references
        self._nodes = 0

    def convert(self, value: object, depth: int = 0, *, literal: bool = False) -> JsonValue:
        self._nodes += 1
        if self._nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise DocumentInvalid(
                f"The document {self._name!r} has more than {_MAX_NODES:,} values or {_MAX_DEPTH} levels. "
                "Cut it down."
            )
        if isinstance(value, dict):
            if not literal and isinstance(value.get("$ref"), str):
                self._references.append(value["$ref"])
            return {
                str(key): self.convert(item, depth + 1, literal=literal or key in _LITERAL)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.convert(item, depth + 1, literal=literal) for item in value]
        if value is None or isinstance(value, str | bool | int | float):
            return value
        raise DocumentInvalid(
            f"The document {self._name!r} holds {value!r:.60}, which JSON cannot. Put it in quotes."
        )


def _check(content: JsonObject, name: str) -> None:
    """Check the document against the schema that its version of OpenAPI publishes.

    What the schema cannot say (a path's parameters, valid schemas in 3.1) is said of each operation alone.
    """
    version = content.get("openapi")
    known = version[:3] if isinstance(version, str) else None
    if known not in _VERSIONS:
        found = f"openapi {version!r}" if version is not None else f"swagger {content.get('swagger')!r}"
        raise DocumentInvalid(f"The document {name!r} says {found}. Convert it to OpenAPI 3.0 or 3.1 first.")
    errors = itertools.islice(_validator(known).iter_errors(content), _MAX_REPORTED)
    problems = [_describe(error) for error in errors]
    if problems:
        raise DocumentInvalid(f"The document {name!r} is not valid OpenAPI {version}: {' '.join(problems)}")


@cache
def _validator(version: str) -> "Validator":
    from openapi_spec_validator.schemas import (  # its package brings much along
        schema_v30,
        schema_v31,
    )

    return compiled({"3.0": schema_v30, "3.1": schema_v31}[version])


def _describe(error: "ValidationError") -> str:
    closest = error
    while inner := [one for branch in getattr(closest.kind, "context", None) or () for one in branch]:
        closest = max(inner, key=lambda one: ("$ref" not in one.message, len(one.instance_path)))
    place = [str(part) for part in closest.instance_path]
    where = "/".join(place) or "the top"
    if len(place) > 2 and place[0] == "paths" and place[2] in _METHODS:
        where = f"{place[2].upper()} {place[1]}" + (f", {'/'.join(place[3:])}" if place[3:] else "")
    return f"At {where}: {closest.message[:200]}."
