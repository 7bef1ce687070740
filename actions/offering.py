"""What a persona takes of a connector: its words laid over ours, its address, what it fixes and denies.

Knows connectors and personas' words, never the network.
"""

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final, cast

from jsonschema import Draft202012Validator

from actions import template
from actions.composition import Composition, Pattern, closed_object
from actions.config import ActionConfig, OperationChoice
from actions.connector import Connector, ConnectorOperation
from actions.document import Document
from actions.errors import DocumentInvalid
from actions.importer import read_operations
from actions.json_value import JsonObject, JsonValue
from actions.operation import Operation, SkippedOperation
from actions.servers import checked_url
from actions.soql import BoundQuery

_ADDRESS: Final = re.compile(r"([^/]+//[^/]+)(/.*)?")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """An operation of ours and the persona's words over it."""

    ours: ConnectorOperation
    words: OperationChoice

    @property
    def name(self) -> str:
        return self.words.name or self.words.id

    @property
    def laid_over(self) -> OperationChoice:
        """The choice of the document's operation: the persona's word where it has one, else ours."""
        ours, words = self.ours, self.words
        return OperationChoice(
            id=ours.of,
            name=self.name,
            description=words.description or ours.description,
            consequential=ours.consequential if words.consequential is None else words.consequential,
            read_only=not ours.consequential,
            respond=words.respond or ours.respond,
        )


def offer(connector: Connector, config: ActionConfig) -> tuple[list[Operation], list[SkippedOperation]]:
    """Return the operations that `config` takes of `connector`, in its order, and those that it denies.

    Raises:
        DocumentInvalid: the persona names one that there is not, or leaves out what is needed.
    """
    if config.server is None and (connector.server_needed or connector.server_is_address):
        raise DocumentInvalid(
            f"The connector {connector.name!r} needs your own address: write `server: https://…`."
        )
    denied = _denied(connector, config)
    chosen = [_chosen(connector, words) for words in _choices(connector, config) if words.id not in denied]
    if not chosen:
        return [], [_skipped(name) for name in denied]
    taken = {"operations": tuple(one.laid_over for one in chosen), "deny": ()}
    document, config = _addressed(connector, config.model_copy(update=taken))
    operations, _ = read_operations(document, config)
    made = [_made(connector, operation, one) for operation, one in zip(operations, chosen, strict=True)]
    return made, [_skipped(name) for name in denied]


def _choices(connector: Connector, config: ActionConfig) -> tuple[OperationChoice, ...]:
    if config.choices is not None:
        return config.choices
    return tuple(OperationChoice(id=name) for name, ours in connector.operations.items() if ours.offered)


def _denied(connector: Connector, config: ActionConfig) -> list[str]:
    denied: dict[str, None] = {}
    for entry in config.deny:
        matching = [name for name in connector.operations if fnmatchcase(name, entry)]
        if not matching and not {"*", "?"} & set(entry):
            _ours(connector, entry)
        denied |= dict.fromkeys(matching)
    return list(denied)


def _skipped(name: str) -> SkippedOperation:
    return SkippedOperation(name, "the persona denies it", denied=True)


def _ours(connector: Connector, name: str) -> ConnectorOperation:
    ours = connector.operations.get(name)
    if ours is None:
        known = ", ".join(connector.operations)
        raise DocumentInvalid(f"The connector {connector.name!r} has no operation {name!r}. It has: {known}.")
    return ours


def _chosen(connector: Connector, words: OperationChoice) -> _Chosen:
    ours = _ours(connector, words.id)
    if words.query is not None and ours.query_argument is None:
        raise DocumentInvalid(f"The operation {words.id!r} of {connector.name!r} takes no `query`.")
    if words.query is None and ours.query_argument is not None and ours.query is None:
        raise DocumentInvalid(
            f"The operation {words.id!r} of {connector.name!r} needs a `query` with bound parameters: no model "
            "writes queries by itself."
        )
    return _Chosen(ours, words)


def _addressed(connector: Connector, config: ActionConfig) -> tuple[Document, ActionConfig]:
    """Return the document and where it is called; an address that is called as it is gives the path, too."""
    name, server = f"connector {connector.name}", config.server
    if not connector.server_is_address:
        return Document(name, connector.document), config
    split = None
    if isinstance(server, str):
        split = _ADDRESS.fullmatch(checked_url(server, name) + "/" * server.endswith("/"))
    if split is None:
        raise DocumentInvalid(f"The connector {connector.name!r} needs the whole address as `server: https://…`.")
    (item,) = cast("JsonObject", connector.document["paths"]).values()
    content = connector.document | {"paths": {split[2] or "/": item}}
    return Document(name, content), config.model_copy(update={"server": split[1]})


def _made(connector: Connector, operation: Operation, chosen: _Chosen) -> Operation:
    composition = _composition(operation, chosen)
    properties = cast("dict[str, JsonObject]", composition.parameters["properties"])
    required = cast("list[str]", composition.parameters.get("required", []))
    fixed = chosen.words.fixed
    for name, value in fixed.items():
        _check_fixed(f"{chosen.words.id!r} of {connector.name!r}", name, value, properties)
    return replace(
        operation,
        parameters=closed_object(
            {name: schema for name, schema in properties.items() if name not in fixed},
            (name for name in required if name not in fixed),
        ),
        strict=None,
        fixed=fixed,
        composition=composition,
        reading=replace(operation.reading, ok_field=connector.ok_field),
        judged=chosen.words.consequential is not None,
        notes=(),
    )


def _composition(operation: Operation, chosen: _Chosen) -> Composition:
    bound = chosen.words.query or chosen.ours.query
    if bound is not None and chosen.ours.query_argument is not None:
        return BoundQuery(bound, chosen.ours.query_argument)
    arguments = chosen.ours.arguments
    return Pattern(
        arguments=arguments,
        optional=chosen.ours.optional,
        passed=frozenset(arguments) & {binding.argument for binding in operation.bindings},
        filled=chosen.ours.fill,
    )


def _check_fixed(operation: str, name: str, value: JsonValue, properties: dict[str, JsonObject]) -> None:
    """Check that the persona fixes an argument that there is, with a value that it may have."""
    if name not in properties:
        known = ", ".join(properties) or "none"
        raise DocumentInvalid(f"The operation {operation} has no argument {name!r} to fix. It has: {known}.")
    if template.is_template(value):
        return  # known only at the call
    problem = next(Draft202012Validator(properties[name]).iter_errors(template.literal(value)), None)
    if problem is not None:
        raise DocumentInvalid(f"The operation {operation} cannot have {name!r} fixed so: {problem.message[:200]}.")
