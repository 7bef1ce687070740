"""Merging of the members of `allOf` into one schema, as far as they can be merged."""

from actions.json_value import JsonObject, JsonValue

_HIGHER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "uniqueItems"})
_LOWER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_FIRST = frozenset({"description", "default", "format"})


def merge(left: JsonObject, right: JsonObject) -> JsonObject:
    """Return a schema that asks what both ask; what cannot be written as one stays in `allOf`.

    One departure from JSON Schema, since documents mean it so: `additionalProperties: false` of one
    member allows the properties of the others.
    """
    result = dict(left)
    rest: JsonObject = {}
    for key, value in right.items():
        if key not in result or result[key] == value:
            result[key] = value
        elif key not in _FIRST:
            merged = _merge_keyword(key, result[key], value)
            if merged is None:
                rest[key] = value
            else:
                result[key] = merged
    if rest:
        members = result.get("allOf")
        result["allOf"] = [*(members if isinstance(members, list) else []), rest]
    return result


def _merge_keyword(key: str, left: JsonValue, right: JsonValue) -> JsonValue:
    """Return the keyword's value for both, or None where one value cannot say it."""
    if key == "properties" and isinstance(left, dict) and isinstance(right, dict):
        return _merge_properties(left, right)
    if key == "required" and isinstance(left, list) and isinstance(right, list):
        return [*left, *(name for name in right if name not in left)]
    if key == "additionalProperties" and (left is False or right is False):
        return False
    if key == "allOf" and isinstance(left, list) and isinstance(right, list):
        return [*left, *right]
    if key in {"type", "enum"}:
        return _intersection(key, left, right)
    if isinstance(left, int | float) and isinstance(right, int | float):
        if key in _HIGHER:
            return max(left, right)
        if key in _LOWER:
            return min(left, right)
    return None


def _merge_properties(left: JsonObject, right: JsonObject) -> JsonObject:
    result = dict(left)
    for name, value in right.items():
        mine = result.get(name)
        result[name] = merge(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return result


def _intersection(key: str, left: JsonValue, right: JsonValue) -> JsonValue:
    lefts = left if isinstance(left, list) else [left]
    rights = right if isinstance(right, list) else [right]
    both: list[JsonValue] = [value for value in lefts if value in rights]
    if key == "type" and not both and {"integer", "number"} <= {*map(str, lefts), *map(str, rights)}:
        return "integer"
    if not both:
        return None
    return both[0] if key == "type" and len(both) == 1 else both
