"""Checking a model's arguments against an operation's schema, with messages that a model can act on."""

import json
from collections.abc import Iterable

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from actions.errors import ArgumentsInvalid
from actions.json_value import JsonObject, JsonValue
from actions.operation import Offered
from actions.text import MAX_CHARACTERS

_MAX_REPORTED = 3


def validate_arguments(operation: Offered, arguments_json: str) -> JsonObject:
    """Return the arguments that `arguments_json` holds.

    Raises:
        ArgumentsInvalid: they do not fit; the message names the field and says what to write.
    """
    if len(arguments_json) > MAX_CHARACTERS:
        raise ArgumentsInvalid(f"The arguments are longer than {MAX_CHARACTERS:,} characters. Write less.")
    try:
        arguments: JsonValue = json.loads(arguments_json or "{}", parse_constant=_refuse_constant)
        json.dumps(arguments, ensure_ascii=False, allow_nan=False).encode()  # half a character, 1e999
    except (ValueError, RecursionError) as error:
        raise ArgumentsInvalid(f"The arguments are not JSON ({error}). Write one JSON object.") from error
    if not isinstance(arguments, dict):
        raise ArgumentsInvalid('The arguments must be one JSON object such as {} or {"name": "value"}.')
    errors = sorted(
        Draft202012Validator(operation.strict or operation.parameters).iter_errors(arguments), key=_place
    )
    if errors:
        sentences = list(dict.fromkeys(_sentence(error) for error in errors))
        raise ArgumentsInvalid(" ".join(sentences[:_MAX_REPORTED]))
    return arguments


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _place(error: ValidationError) -> str:
    return "/".join(str(part) for part in error.absolute_path)


def _sentence(error: ValidationError) -> str:
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))  # where it came nearest
    name = ".".join(str(part) for part in error.absolute_path)
    subject = f"`{name}`" if name else "The whole"
    wanted = error.validator_value
    match error.validator:
        case "required":
            return _missing(error, name)
        case "additionalProperties" if isinstance(error.instance, dict):
            known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
            extra = ", ".join(f"`{key}`" for key in error.instance if key not in known)
            return f"{extra} must be left out: write only {_listed(known)}."
        case "enum" if isinstance(wanted, list):
            return f"{subject} must be one of {', '.join(map(_shown, wanted))}, not {_shown(error.instance)}."
        case "type":
            kinds = " or ".join(wanted) if isinstance(wanted, list) else wanted
            return f"{subject} must be of type {kinds}, not {_shown(error.instance)}."
        case "minLength" | "maxLength":
            bound = "at least" if error.validator == "minLength" else "at most"
            return f"{subject} must have {bound} {wanted} characters."
        case "minimum" | "maximum":
            bound = "at least" if error.validator == "minimum" else "at most"
            return f"{subject} must be {bound} {wanted}."
    return f"{subject}: {error.message[:200]}."


def _missing(error: ValidationError, name: str) -> str:
    """Name every missing field at once: the checker reports each of them alone, all in the same words."""
    properties = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    wanted = error.validator_value if isinstance(error.validator_value, list) else []
    instance = error.instance if isinstance(error.instance, dict) else {}
    parts = []
    for field in wanted:
        if field not in instance:
            schema = properties.get(field)
            known = schema if isinstance(schema, dict) else {}
            values = ", ".join(map(_shown, known.get("enum", ())))
            what = f"one of {values}" if values else f"a {known.get('type', 'value')}"
            parts.append(f"`{name + '.' if name else ''}{field}` is missing: write {what}.")
    return " ".join(parts)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
