"""Schemas of few values: the list has all that is valid, and nothing else."""

import pytest
from jsonschema import Draft202012Validator

from actions.json_value import JsonObject, JsonValue
from actions.listing import listed


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ({"type": "integer", "minimum": 5, "maximum": 20, "multipleOf": 5}, [5, 10, 15, 20]),
        ({"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.25}, [0, 0.25, 0.5, 0.75, 1]),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 6, "multipleOf": 2}, [2, 4]),
        ({"type": "integer", "minimum": -3, "maximum": 3, "multipleOf": 1.5}, [-3, 0, 3]),
        ({"type": ["integer", "null"], "minimum": 1, "maximum": 9, "multipleOf": 4}, [4, 8, None]),
        (
            {"type": "array", "uniqueItems": True, "minItems": 1, "items": {"enum": ["a", "b"]}},
            [["a"], ["b"], ["a", "b"], ["b", "a"]],
        ),
        ({"type": "array", "uniqueItems": True, "maxItems": 0, "items": {"enum": ["a"]}}, [[]]),
    ],
)
def test_few_values_are_listed(schema: JsonObject, values: list[JsonValue]) -> None:
    assert listed(schema | {"description": "What it is."}) == {"description": "What it is.", "enum": values}
    assert all(Draft202012Validator(schema).is_valid(value) for value in values)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 5, "multipleOf": 5},
        {"type": "integer", "minimum": 0, "maximum": 10**6, "multipleOf": 5},
        {"type": "integer", "minimum": 1, "maximum": 4, "multipleOf": 5},
        {"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 4, "enum": [4]},
        {"type": ["integer", "string"], "minimum": 1, "maximum": 9, "multipleOf": 4},
        {"minimum": 1, "maximum": 9, "multipleOf": 4},
        {"type": "number", "minimum": 0, "maximum": 1e400, "multipleOf": 4},
        {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
        {"type": "array", "uniqueItems": True, "items": {"enum": list(range(9))}},
        {"type": "array", "uniqueItems": True, "items": {"enum": ["a"]}, "prefixItems": [{}]},
        {"type": "array", "items": {"enum": ["a"]}},
        {"type": "string"},
    ],
)
def test_other_schemas_are_left_as_they_are(schema: JsonObject) -> None:
    assert listed(schema) is schema
