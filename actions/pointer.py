"""Local references of an OpenAPI document. Owns looking up; must never reach outside the document."""

from urllib.parse import unquote

from actions.errors import DocumentInvalid
from actions.json_value import JsonObject, JsonValue

_MAX_CHAIN = 16


def look_up(document: JsonObject, reference: str, name: str) -> JsonValue:
    """Return what `reference` (`#/…`) points at.

    Raises:
        DocumentInvalid: the reference leaves the document or points at nothing.
    """
    if reference != "#" and not reference.startswith("#/"):
        raise DocumentInvalid(
            f"The document {name!r} refers to {reference!r} outside of itself. Bundle it into one file first."
        )
    value: JsonValue = document
    for part in unquote(reference[1:]).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise DocumentInvalid(
                f"In the document {name!r} the reference {reference!r} points at nothing. "
                "Correct it, or add what it names."
            )
    return value


def resolve(document: JsonObject, value: JsonValue, name: str) -> JsonValue:
    """Return `value`, or what it refers to through any chain of `$ref`."""
    for _ in range(_MAX_CHAIN):
        reference = value.get("$ref") if isinstance(value, dict) else None
        if not isinstance(reference, str):
            return value
        value = look_up(document, reference, name)
    raise DocumentInvalid(
        f"In the document {name!r} references lead to each other without end, one of them {value!r:.80}. "
        "Let one of them hold a definition."
    )


def resolve_object(document: JsonObject, value: JsonValue, name: str) -> JsonObject:
    """Return the object that `value` is or refers to; an empty one where it is nothing of the kind."""
    resolved = resolve(document, value, name)
    return resolved if isinstance(resolved, dict) else {}
