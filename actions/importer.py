"""From a checked document to operations. Owns the mapping; must never know the network or a model's answer.

What cannot be mapped (a picture in a form, a style where it does not belong) makes an operation skipped with a
reason when it is required, and is left out with a note when it is optional: a call is never made with a place
guessed.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from jsonschema import Draft202012Validator

from actions import template
from actions.arguments import Arguments, Unsupported
from actions.config import ActionConfig, OperationChoice
from actions.document import Document
from actions.errors import DocumentInvalid
from actions.json_schema import schema_problem
from actions.json_value import JsonObject
from actions.naming import unique_names
from actions.operation import SAFE, Operation, SkippedOperation
from actions.parameters import read_parameters
from actions.pointer import resolve_object
from actions.reading import WHOLE, Reading
from actions.request_body import read_body
from actions.schema import Definitions, SchemaReader, closed
from actions.selection import Selection
from actions.servers import base_url
from actions.text import MAX_DESCRIPTION, one_line

_SHOWN = 3
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class _Found:
    """An operation as it stands in the document."""

    method: str
    path: str
    item: JsonObject
    operation: JsonObject
    name: str = ""

    @property
    def key(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def title(self) -> str:
        operation_id = self.operation.get("operationId")
        return operation_id if isinstance(operation_id, str) and operation_id else self.key

    @property
    def names(self) -> tuple[str, str, str]:
        """What the persona may call it."""
        return self.title, self.key, self.name


def read_operations(
    document: Document, config: ActionConfig
) -> tuple[tuple[Operation, ...], tuple[SkippedOperation, ...]]:
    """Return the operations that `config` offers of `document`, and those that cannot be offered.

    Raises:
        DocumentInvalid: the persona names an operation that the document lacks or that cannot be offered.
    """
    found = _find(document)
    denied = _denied(found, config, document)
    choices = config.choices
    chosen = [(item, OperationChoice(id=item.title)) for item in found]
    if choices is not None:
        chosen = [(_pick(found, choice, document), choice) for choice in choices]
    operations, skipped = (
        [],
        [SkippedOperation(one.title, "the persona denies it", denied=True) for one in denied.values()],
    )
    definitions = Definitions(document.content, document.name)
    for item, choice in chosen:
        if item.key in denied:
            continue
        try:
            operations.append(_operation(document, config, item, choice, SchemaReader(definitions)))
        except Unsupported as error:
            if choices is not None:
                raise DocumentInvalid(
                    f"The operation {choice.id!r} of {document.name!r} cannot be offered: {error}. Leave it out."
                ) from error
            skipped.append(SkippedOperation(item.title, str(error)))
    return tuple(operations), tuple(skipped)


def _find(document: Document) -> list[_Found]:
    found = []
    paths = document.content.get("paths")
    for path, raw in paths.items() if isinstance(paths, dict) else ():
        item = resolve_object(document.content, raw, document.name)
        for method in _METHODS:
            operation = item.get(method)
            if isinstance(operation, dict):
                found.append(_Found(method, path, item, operation))
    names = unique_names([(item.title, item.key) for item in found])
    return [
        _Found(item.method, item.path, item.item, item.operation, name)
        for item, name in zip(found, names, strict=True)
    ]


def _pick(found: list[_Found], choice: OperationChoice, document: Document) -> _Found:
    matches = [item for item in found if choice.id in {item.title, item.key}]
    matches = matches or [item for item in found if choice.id == item.name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        keys = ", ".join(item.key for item in matches)
        raise DocumentInvalid(
            f"The id {choice.id!r} means {len(matches)} operations of {document.name!r}: {keys}."
        )
    known = ", ".join(item.title for item in found[:20])
    raise DocumentInvalid(f"The document {document.name!r} has no operation {choice.id!r}. It has: {known}.")


def _denied(found: list[_Found], config: ActionConfig, document: Document) -> dict[str, _Found]:
    """Return by key what the persona denies; a pattern may fit nothing yet, a name may not."""
    denied: dict[str, _Found] = {}
    for entry in config.deny:
        if "*" in entry or "?" in entry:
            matching = [one for one in found if any(fnmatchcase(name, entry) for name in one.names)]
        else:
            matching = [one for one in found if entry in one.names]
            if not matching:
                _pick(found, OperationChoice(id=entry), document)
        denied |= {one.key: one for one in matching}
    return denied


def _operation(
    document: Document, config: ActionConfig, item: _Found, choice: OperationChoice, reader: SchemaReader
) -> Operation:
    arguments = Arguments()
    read_parameters(document, reader, (item.item, item.operation), item.path, arguments)
    media_type = read_body(document, reader, item.operation, arguments)
    _check_fixed(choice, arguments, document)
    definitions = reader.definitions()
    parameters = arguments.schema(definitions, without=choice.fixed)
    _check_schema(parameters)
    return Operation(
        name=choice.name or item.name,
        title=item.title,
        description=choice.description or _description(item),
        parameters=parameters,
        consequential=_consequential(item, choice),
        method=item.method.upper(),
        server=base_url(document, config.server, (item.operation, item.item, document.content)),
        path=item.path,
        bindings=tuple(arguments.bindings),
        media_type=media_type,
        secret=config.secret,
        strict=arguments.strict_schema(definitions, without=choice.fixed),
        fixed=choice.fixed,
        reading=Reading(Selection(choice.respond)) if choice.respond is not None else WHOLE,
        notes=(*arguments.notes, *_notes(reader)),
        judged=choice.consequential is not None,
        read_only=choice.read_only,
        idempotency_header=choice.idempotency_header,
    )


def _notes(reader: SchemaReader) -> list[str]:
    notes = []
    if reader.deep:
        names = [repr(reference.rpartition("/")[2]) for reference in reader.deep]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        notes.append(
            f"what lies deep in {', '.join(names[:_SHOWN])}{more} is decoded freely, and checked whole afterwards"
        )
    if reader.is_cut:
        notes.append("its schema is very deep or large: what lies deepest is left to the service")
    return notes


def _check_schema(schema: JsonObject) -> None:
    if problem := schema_problem(schema):
        raise Unsupported(f"its schema is not valid: {problem}")


def _check_fixed(choice: OperationChoice, arguments: Arguments, document: Document) -> None:
    """Check that the persona fixes arguments that there are, with values that they may have."""
    for name, value in choice.fixed.items():
        if name not in arguments.properties:
            known = ", ".join(arguments.properties) or "none"
            raise DocumentInvalid(
                f"The operation {choice.id!r} of {document.name!r} has no argument {name!r} to fix. "
                f"It has: {known}."
            )
        schema = arguments.properties[name]
        if template.is_template(value) or not isinstance(schema, dict):
            continue  # known only at the call; its place encodes it, and the service judges it
        problem = next(Draft202012Validator(closed(schema)).iter_errors(template.literal(value)), None)
        if problem is not None:
            raise DocumentInvalid(
                f"The operation {choice.id!r} of {document.name!r} cannot have {name!r} fixed so: "
                f"{problem.message[:200]}."
            )


def _description(item: _Found) -> str:
    for key in ("description", "summary"):
        text = item.operation.get(key)
        if isinstance(text, str) and text.strip():
            return one_line(text, MAX_DESCRIPTION)
    return one_line(item.key, MAX_DESCRIPTION)


def _consequential(item: _Found, choice: OperationChoice) -> bool:
    """Follow the operator; a document's own word can only make an operation stricter, since anybody wrote it."""
    if choice.consequential is not None:
        return choice.consequential
    reads = choice.read_only or item.method.upper() in SAFE
    return not reads or item.operation.get("x-openai-isConsequential") is True
