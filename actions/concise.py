"""Schemas for the second try of a small model: what is sure to be valid, and what is sure to come to an end.

The first try may write all that is valid. Where it failed, the second is held to less: `sure` leaves out what no
grammar keeps, `short` all without which a call can be made, and bounds the rest. Pure functions.
"""

from collections.abc import Callable

from actions.json_value import JsonObject, JsonValue
from actions.listing import listed

_TEXT = 60
_ITEMS = 2
_NUMBER = 10**9
_MULTIPLES = 200
_NAME = "^[A-Za-z0-9_.-]{1,24}$"
_SCALARS: tuple[JsonValue, ...] = ("string", "number", "boolean", "null")
_FIXED = {"enum", "const"}


def sure(schema: JsonObject) -> JsonObject:
    """Return `schema`, which may have marks of recursion, with nothing that is checked only afterwards.

    Lists without repetition get one item, multiples are written out, and a schema ends where it refers to itself
    and may end.
    """
    kept = listed({key: value for key, value in schema.items() if key not in ("$ref", "$defs")})
    if _FIXED & kept.keys():
        return kept
    if kept.get("uniqueItems") is True:
        kept["maxItems"] = max(_count(kept, "minItems"), min(_count(kept, "maxItems", 1), 1))
    if "multipleOf" in kept:
        kept = _with_multiples(kept)
    if isinstance(items := kept.get("items"), dict):
        kept["items"] = sure(items)
        if "$ref" in items and not kept.get("minItems"):
            kept["maxItems"] = 0
    if isinstance(properties := kept.get("properties"), dict):
        needed = kept.get("required")
        kept["properties"] = {
            name: sure(one) if isinstance(one, dict) else one
            for name, one in properties.items()
            if not (isinstance(one, dict) and "$ref" in one) or (isinstance(needed, list) and name in needed)
        }
    if isinstance(values := kept.get("additionalProperties"), dict):
        kept["additionalProperties"] = sure(values)
    return _with_members(kept, sure)


def short(schema: JsonObject) -> JsonObject:
    """Return a decodable schema without optional properties, and with bounds on all that has none or wide ones."""
    kept = dict(schema)
    if _FIXED & kept.keys():
        return kept
    if "anyOf" in kept or "oneOf" in kept:
        return _with_members(kept, short)
    kinds = _kinds(kept)
    if not kinds:
        kept["type"], kinds = list(_SCALARS), set(_SCALARS)
    if "string" in kinds and "format" not in kept:
        kept["maxLength"] = max(_count(kept, "minLength"), min(_count(kept, "maxLength", _TEXT), _TEXT))
    if {"integer", "number"} & kinds:
        _bound(kept)
    if "array" in kinds:
        items, first = kept.get("items"), kept.get("prefixItems")
        fewest = max(_count(kept, "minItems"), len(first) if isinstance(first, list) else 0)
        kept["maxItems"] = max(fewest, min(_count(kept, "maxItems", _ITEMS), _ITEMS))
        kept["items"] = short(items) if isinstance(items, dict) else {}
        if isinstance(first, list):
            kept["prefixItems"] = [short(one) if isinstance(one, dict) else one for one in first]
    return _short_object(kept) if "object" in kinds else kept


def _short_object(schema: JsonObject) -> JsonObject:
    kept = dict(schema)
    properties, needed = kept.pop("properties", None), kept.get("required")
    values, fewest = kept.pop("additionalProperties", True), _count(kept, "minProperties")
    known = properties if isinstance(properties, dict) else {}
    names = [name for name in known if isinstance(needed, list) and name in needed]
    if len(names) < fewest:
        names = list(known)
    if known:
        kept["properties"] = {name: _shortened(known[name]) for name in names}
    if values is False or (known and len(names) >= fewest):
        return {**kept, "additionalProperties": False}
    kept["maxProperties"] = max(fewest, min(_count(kept, "maxProperties", _ITEMS), _ITEMS))
    if known:
        return {**kept, "additionalProperties": _shortened(values)}
    return {**kept, "patternProperties": {_NAME: _shortened(values)}, "additionalProperties": False}


def _shortened(schema: JsonValue) -> JsonObject:
    return short(schema) if isinstance(schema, dict) else short({})


def _with_members(schema: JsonObject, change: Callable[[JsonObject], JsonObject]) -> JsonObject:
    kept = dict(schema)
    for key in ("anyOf", "oneOf", "allOf"):
        members = kept.get(key)
        if isinstance(members, list):
            kept[key] = [change(one) if isinstance(one, dict) else one for one in members]
    return kept


def _kinds(schema: JsonObject) -> set[JsonValue]:
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return set(map(str, kinds))
    if isinstance(kinds, str):
        return {kinds}
    return {"object"} if "properties" in schema else {"array"} if "prefixItems" in schema else set()


def _count(schema: JsonObject, key: str, default: int = 0) -> int:
    value = schema.get(key)
    return int(value) if isinstance(value, int | float) else default


def _bound(schema: JsonObject) -> None:
    """Give a number the bounds that it lacks, unless the one that it has lies beyond."""
    low, high = _bound_of(schema, "inimum"), _bound_of(schema, "aximum")
    if low is None and (high is None or high > -_NUMBER):
        schema["minimum"] = -_NUMBER
    if high is None and (low is None or low < _NUMBER):
        schema["maximum"] = _NUMBER


def _with_multiples(schema: JsonObject) -> JsonObject:
    """Write some multiples out: those nearest to a bound, or to nought."""
    step, low, high = schema["multipleOf"], _bound_of(schema, "inimum"), _bound_of(schema, "aximum")
    if not isinstance(step, int | float) or step <= 0:
        return schema
    reach = step * _MULTIPLES
    if low is None and high is not None:
        return listed({**schema, "minimum": high - reach})
    start = low if low is not None else 0
    return listed(
        {**schema, "minimum": start, "maximum": start + reach if high is None else min(high, start + reach)}
    )


def _bound_of(schema: JsonObject, end: str) -> float | None:
    bounds = [schema.get(f"m{end}"), schema.get(f"exclusiveM{end}")]
    return next((one for one in bounds if isinstance(one, int | float)), None)
