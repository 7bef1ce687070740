"""The arguments of an operation as they are gathered: one flat JSON Schema for the model, and their places."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding
from actions.schema import closed, strict


class Unsupported(Exception):
    """This operation needs something that cannot be mapped."""


@dataclass(slots=True)
class Arguments:
    """Arguments as they are gathered.

    Attributes:
        notes: what of the document is not offered, for people.
    """

    properties: JsonObject = field(default_factory=dict)
    required: list[JsonValue] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, binding: Binding, schema: JsonObject, *, required: bool) -> None:
        """Add an argument under a legal name that is still free, whatever name `binding` has."""
        legal = re.sub(r"[^a-zA-Z0-9_.-]+", "_", binding.argument).strip("_")[:60] or "value"
        argument, number = legal, 2
        while argument in self.properties:
            argument, number = f"{legal}_{number}", number + 1
        self.properties[argument] = schema
        if required:
            self.required.append(argument)
        self.bindings.append(replace(binding, argument=argument))

    def schema(self, definitions: JsonObject, *, without: Mapping[str, JsonValue]) -> JsonObject:
        """Return the JSON Schema of all but `without`, without `$ref`: what recurs is left open."""
        whole = self._whole(without)
        return closed(whole) if definitions else whole

    def strict_schema(self, definitions: JsonObject, *, without: Mapping[str, JsonValue]) -> JsonObject | None:
        """Return the same with recursion as local references, or None where nothing recurs."""
        return strict(self._whole(without), definitions) if definitions else None

    def _whole(self, without: Mapping[str, JsonValue]) -> JsonObject:
        properties: JsonObject = {name: one for name, one in self.properties.items() if name not in without}
        whole: JsonObject = {"type": "object", "properties": properties}
        required: list[JsonValue] = [name for name in self.required if name not in without]
        if required:
            whole["required"] = required
        return {**whole, "additionalProperties": False}
