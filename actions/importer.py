"""From a checked document to operations. Owns the mapping; must never know the network or a model's answer.

What cannot be mapped yet (cookies, `deepObject`, forms) makes an operation skipped with a reason when it is
required, and is left out when it is optional: a call is never made with a place guessed.
"""

from dataclasses import dataclass

from actions.arguments import Arguments, Unsupported, read_body, read_parameters
from actions.config import ActionConfig, OperationChoice
from actions.document import Document
from actions.errors import DocumentInvalid
from actions.json_value import JsonObject
from actions.naming import unique_names
from actions.operation import Operation, SkippedOperation
from actions.pointer import resolve_object
from actions.schema import SchemaReader
from actions.servers import base_url
from actions.text import MAX_DESCRIPTION, one_line

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


def read_operations(
    document: Document, config: ActionConfig
) -> tuple[tuple[Operation, ...], tuple[SkippedOperation, ...]]:
    """Return the operations that `config` offers of `document`, and those that cannot be offered.

    Raises:
        DocumentInvalid: the persona names an operation that the document lacks or that cannot be offered.
    """
    found = _find(document)
    choices = config.choices
    chosen = [(item, OperationChoice(id=item.title)) for item in found]
    if choices is not None:
        chosen = [(_pick(found, choice, document), choice) for choice in choices]
    operations, skipped = [], []
    for item, choice in chosen:
        try:
            operations.append(_operation(document, config, item, choice))
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


def _operation(document: Document, config: ActionConfig, item: _Found, choice: OperationChoice) -> Operation:
    reader = SchemaReader(document.content, document.name)
    arguments = Arguments()
    read_parameters(document, reader, (item.item, item.operation), item.path, arguments)
    media_type = read_body(document, reader, item.operation, arguments)
    return Operation(
        name=choice.name or item.name,
        title=item.title,
        description=choice.description or _description(item),
        parameters=arguments.schema(),
        consequential=_consequential(item, choice),
        method=item.method.upper(),
        server=base_url(document, config.server, (item.operation, item.item, document.content)),
        path=item.path,
        bindings=tuple(arguments.bindings),
        media_type=media_type,
        secret=config.secret,
    )


def _description(item: _Found) -> str:
    for key in ("description", "summary"):
        text = item.operation.get(key)
        if isinstance(text, str) and text.strip():
            return one_line(text, MAX_DESCRIPTION)
    return one_line(item.key, MAX_DESCRIPTION)


def _consequential(item: _Found, choice: OperationChoice) -> bool:
    if choice.consequential is not None:
        return choice.consequential
    stated = item.operation.get("x-openai-isConsequential")
    return stated if isinstance(stated, bool) else item.method != "get"
