"""Schemas as a grammar can take them: what constrained decoding in vLLM (xgrammar) cannot enforce is relaxed.

A grammar that is too loose costs a corrected try, one that is refused costs the turn, and one that cannot be
fulfilled costs the call. So each thing is relaxed no further than needed, with a note for people, and the
arguments are checked against the whole schema afterwards. Sources: xgrammar's converter of JSON Schema, and the
features for which vLLM 0.32 refuses it (`multipleOf`, `uniqueItems`, `contains`, several members of `allOf`, …).
"""

import math
from collections.abc import Callable

from actions.json_value import JsonObject, JsonValue
from actions.listing import listed
from actions.merge import merge

_SILENT = frozenset({"format", "default", "contentMediaType", "contentEncoding"})
"""Left out without a note: they bind nothing here."""
_FORMATS = frozenset({"date", "date-time"})
"""What a grammar writes in the form that services ask for (RFC 3339), where nothing else bounds the text."""
_LITERAL = frozenset({"enum", "const", "required"})
_UNENFORCED = {"uniqueItems", "multipleOf", "not"}
_COUNTS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))
_RANGE = ("minimum", "exclusiveMinimum", "exclusiveMaximum", "maximum")
"""In an order in which of two equal bounds the exclusive one is the greatest below and the least above."""
_LARGEST = 2**63 - 1
_MOST_MEMBERS = 32
_SIDED = ("anyOf", "oneOf", "allOf")


def decodable(schema: JsonObject) -> tuple[JsonObject, tuple[str, ...]]:
    """Return `schema` as it is decoded, and what was relaxed for it."""
    notes: dict[str, None] = {}
    relaxed = _relax(schema, "", lambda place, what: notes.setdefault(f"{place or 'the whole'}: {what}"))
    return relaxed, tuple(notes)


_Note = Callable[[str, str], object]


def _relax(schema: JsonObject, place: str, note: _Note) -> JsonObject:
    united = _united(schema, place, note)
    if (short := listed(united)) is not united:
        return short
    kept = {key: value for key, value in united.items() if key not in _SILENT or _is_written(key, united)}
    for key in sorted(_UNENFORCED & kept.keys()):
        del kept[key]
        note(place, f"`{key}` is checked only afterwards")
    if "enum" in kept and not kept["enum"]:
        del kept["enum"]
        note(place, "no value is allowed")
    kind = kept.get("type")
    if kind == []:
        del kept["type"]
    elif isinstance(kind, list) and "number" in kind:  # which takes the whole ones in
        kept["type"] = [one for one in kind if one != "integer"]
    _bounded(kept, place, note)
    result = {key: _inner(key, value, place, note) for key, value in kept.items()}
    return _with_items(_with_required(result))


def _is_written(key: str, schema: JsonObject) -> bool:
    bounds = {"minLength", "maxLength", "enum", "const"} & schema.keys()
    return key == "format" and schema["format"] in _FORMATS and not bounds and _is_text(schema.get("type"))


def _is_text(kind: JsonValue) -> bool:
    return kind == "string" or (isinstance(kind, list) and "string" in kind)


def _inner(key: str, value: JsonValue, place: str, note: _Note) -> JsonValue:
    if key in _LITERAL:
        return value
    if key == "properties" and isinstance(value, dict):
        return {
            name: _relax(one, f"{place}.{name}".lstrip("."), note) if isinstance(one, dict) else one
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_relax(one, place, note) if isinstance(one, dict) else one for one in value]
    if isinstance(value, dict):
        return _relax(value, f"{place}[]" if key == "items" else place, note)
    return value


def _united(schema: JsonObject, place: str, note: _Note) -> JsonObject:
    """Write alternatives with all that stands beside them: a grammar reads only one of the two."""
    kept = dict(schema)
    members = kept.pop("allOf", None)
    for member in members if isinstance(members, list) else ():
        if isinstance(member, dict):
            kept = merge(kept, member)
    if kept.pop("allOf", None) is not None:
        note(place, "a part of `allOf` is checked only afterwards")
    for key in ("oneOf", "anyOf"):
        others = [one for one in _SIDED if one in kept and one != key]
        alternatives = kept.get(key)
        if not isinstance(alternatives, list):
            continue
        base = {name: value for name, value in kept.items() if name not in (key, "description")}
        if not alternatives or others or len(alternatives) > _MOST_MEMBERS:
            del kept[key]
            note(place, f"`{key}` is checked only afterwards")
        elif base.keys() - {"title"}:
            described = {"description": kept["description"]} if "description" in kept else {}
            united = [merge(base, one) if isinstance(one, dict) else base for one in alternatives]
            return {**described, key: list[JsonValue](united)}
    return kept


def _bounded(schema: JsonObject, place: str, note: _Note) -> None:
    """Leave out bounds that no value keeps, or that a grammar cannot count."""
    for low, high in _COUNTS:
        least, most = schema.get(low), schema.get(high)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            del schema[low], schema[high]
            note(place, f"no value keeps both `{low}` and `{high}`")
    for high, names in (("maxProperties", "required"), ("maxItems", "prefixItems")):
        most, needed = schema.get(high), schema.get(names)
        if isinstance(most, int | float) and isinstance(needed, list) and most < len(needed):
            del schema[high]
            note(place, f"`{high}` is checked only afterwards")
    properties, fewest = schema.get("properties"), schema.get("minProperties")
    known = len(properties) if isinstance(properties, dict) else 0
    if isinstance(fewest, int) and fewest > known and schema.get("additionalProperties", False) is False:
        del schema["minProperties"]
        note(place, "`minProperties` is checked only afterwards")
    _ranged(schema, place, note)


def _ranged(schema: JsonObject, place: str, note: _Note) -> None:
    """Write a range of numbers with one bound at each end, and none where no number lies between."""
    bounds: dict[str, float] = {}
    for key in _RANGE:
        value = schema.pop(key, None)
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if math.isfinite(value) and abs(value) < _LARGEST:
            bounds[key] = value
        else:
            note(place, f"`{key}` is checked only afterwards")
    low = max(((bounds[key], key) for key in _RANGE[:2] if key in bounds), default=None)
    high = min(((bounds[key], key) for key in _RANGE[2:] if key in bounds), default=None)
    if _only_whole(schema):
        low = low and (_next(low[0]) if low[1] == "exclusiveMinimum" else math.ceil(low[0]), "minimum")
        high = high and (-_next(-high[0]) if high[1] == "exclusiveMaximum" else math.floor(high[0]), "maximum")
    if low is not None and high is not None:
        is_open = low[1] == "exclusiveMinimum" or high[1] == "exclusiveMaximum"
        if low[0] > high[0] or (low[0] == high[0] and is_open):
            note(place, "no number keeps its bounds")
            return
    schema.update({key: value for value, key in filter(None, (low, high))})


def _only_whole(schema: JsonObject) -> bool:
    kind = schema.get("type")
    return kind == "integer" or (isinstance(kind, list) and "integer" in kind)


def _next(value: float) -> int:
    """Return the least whole number above `value`."""
    return math.floor(value) + 1


def _with_required(schema: JsonObject) -> JsonObject:
    """Describe each required property: a grammar writes only those that it knows."""
    required, properties = schema.get("required"), schema.get("properties")
    if not isinstance(required, list) or "anyOf" in schema or "oneOf" in schema:
        return schema
    known = properties if isinstance(properties, dict) else {}
    missing: JsonObject = {str(name): {} for name in required if name not in known}
    return {**schema, "properties": {**known, **missing}} if missing else schema


def _with_items(schema: JsonObject) -> JsonObject:
    """Let a list hold anything where nothing is said of its items: a grammar takes that for nothing at all."""
    kind = schema.get("type")
    is_list = kind == "array" or (isinstance(kind, list) and "array" in kind) or "prefixItems" in schema
    if not is_list or isinstance(schema.get("items"), dict):
        return schema
    return {**schema, "items": {}}
