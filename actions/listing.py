"""Schemas of few values, written as the list of these: a grammar knows neither multiples nor repetition.

Nothing that is valid gets lost, and nothing else is in the list. Pure functions.
"""

import itertools
import math
from fractions import Fraction

from actions.json_schema import compiled
from actions.json_value import JsonObject, JsonValue

_MOST_NUMBERS = 1000
_MOST_LISTS = 400


def listed(schema: JsonObject) -> JsonObject:
    """Return `schema` with its values as `enum` where `multipleOf` or `uniqueItems` leaves few; else as it is."""
    values: list[JsonValue] = []
    if not {"enum", "const", "anyOf", "oneOf", "allOf", "not"} & schema.keys():
        values = _multiples(schema) or _lists(schema)
    if not values:
        return schema
    return {**({"description": schema["description"]} if "description" in schema else {}), "enum": values}


def _multiples(schema: JsonObject, most: int = _MOST_NUMBERS) -> list[JsonValue]:
    kinds = schema.get("type")
    known = set(kinds) if isinstance(kinds, list) else {kinds}
    step = _fraction(schema.get("multipleOf"))
    bounds = {
        key: _fraction(schema.get(key)) for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    }
    lows = [bound for bound in (bounds["minimum"], bounds["exclusiveMinimum"]) if bound is not None]
    highs = [bound for bound in (bounds["maximum"], bounds["exclusiveMaximum"]) if bound is not None]
    if not step or step < 0 or not lows or not highs or not known <= {"integer", "number", "null"}:
        return []
    first, last = math.ceil(max(lows) / step), math.floor(min(highs) / step)
    if not 0 <= last - first < most:
        return []
    checker = compiled(schema)
    numbers = [_number(step * factor) for factor in range(first, last + 1)]
    return [one for one in [*numbers, *([None] if "null" in known else [])] if checker.is_valid(one)]


def _lists(schema: JsonObject) -> list[JsonValue]:
    items = schema.get("items")
    members = items.get("enum") if isinstance(items, dict) else None
    if schema.get("type") != "array" or schema.get("uniqueItems") is not True or not isinstance(members, list):
        return []
    least, most = schema.get("minItems", 0), schema.get("maxItems", len(members))
    if not isinstance(least, int) or not isinstance(most, int) or "prefixItems" in schema:
        return []
    lengths = range(least, min(most, len(members)) + 1)
    if sum(math.perm(len(members), length) for length in lengths) > _MOST_LISTS:
        return []
    checker = compiled(schema)
    found = [list(one) for length in lengths for one in itertools.permutations(members, length)]
    return [one for one in found if checker.is_valid(one)]


def _fraction(value: JsonValue) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return Fraction(str(value))


def _number(value: Fraction) -> JsonValue:
    return value.numerator if value.denominator == 1 else float(value)
