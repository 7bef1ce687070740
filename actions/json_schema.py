"""Checks by JSON Schema, compiled. Owns jsonschema-rs, which is imported with the first schema that is checked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from actions.json_value import JsonObject, JsonValue

if TYPE_CHECKING:
    from jsonschema_rs import Validator


def compiled(schema: Mapping[str, JsonValue]) -> "Validator":
    """Return what checks values by a schema; making it takes a while."""
    from jsonschema_rs import validator_for

    return validator_for(dict(schema))


def schema_problem(schema: JsonObject) -> str | None:
    """Return where a schema is itself not valid, and why; None where it is."""
    from jsonschema_rs import ValidationError, meta

    try:
        meta.validate(schema)
    except ValidationError as error:
        return f"at {'/'.join(str(part) for part in error.instance_path)}: {error.message[:200]}"
    return None
