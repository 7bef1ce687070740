"""The schemas of the second try: what can be written is valid, and it comes to an end."""

import json

import pytest
import xgrammar
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from xgrammar.testing import _is_grammar_accept_string

from actions.concise import short, sure
from actions.decoding import decodable
from actions.json_value import JsonObject, JsonValue
from actions.schema import Definitions, SchemaReader, closed
from tests.actions.test_decoding import schemas

_TREE: JsonObject = {
    "components": {
        "schemas": {
            "Tree": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string"},
                    "first": {"$ref": "#/components/schemas/Tree"},
                    "all": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                },
            }
        }
    }
}


def _writes(schema: JsonObject, value: JsonValue) -> bool:
    grammar = xgrammar.Grammar.from_json_schema(json.dumps(decodable(schema)[0]))
    return any(
        _is_grammar_accept_string(grammar, json.dumps(value, separators=form)) for form in (None, (",", ":"))
    )


def _writes_shortly(schema: JsonObject, value: JsonValue) -> bool:
    grammar = xgrammar.Grammar.from_json_schema(json.dumps(short(decodable(schema)[0])))
    return bool(_is_grammar_accept_string(grammar, json.dumps(value)))


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "array", "uniqueItems": True, "items": {"type": "integer"}}, [3], [3, 3]),
        ({"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b"]}}, ["b", "a"], ["a", "a"]),
        ({"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.25}, 1.75, 1.6),
        ({"type": "integer", "maximum": -7, "multipleOf": 5}, -10, -8),
        ({"type": "integer", "multipleOf": 5}, 15, 16),
        ({"anyOf": [{"type": "integer", "multipleOf": 5}, {"type": "null"}]}, 15, 16),
        ({"type": "object", "additionalProperties": {"type": "integer", "multipleOf": 5}}, {"a": 5}, {"a": 6}),
    ],
)
def test_what_is_sure_is_all_valid(schema: JsonObject, good: JsonValue, bad: JsonValue) -> None:
    assert (_writes(sure(schema), good), _writes(sure(schema), bad)) == (True, False)


def test_a_schema_ends_where_it_refers_to_itself() -> None:
    reader = SchemaReader(Definitions(_TREE, "api"))
    marked = reader.read({"$ref": "#/components/schemas/Tree"})
    leaf: JsonObject = {"name": "c", "all": []}
    deep: JsonObject = {"name": "a", "first": {"name": "b", "all": [leaf]}, "all": []}
    unchecked: JsonObject = {"name": "a", "first": {"name": "b", "first": {}}}

    assert _writes(closed(marked), unchecked)
    assert "$ref" not in json.dumps(sure(marked))
    assert not _writes(sure(marked), unchecked)
    assert _writes(sure(marked), {"name": "a", "first": {"name": "b", "all": []}, "all": []})
    assert not _writes(sure(marked), deep)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string"}, "x" * 60, "x" * 61),
        ({"type": "string", "minLength": 70, "maxLength": 90}, "x" * 70, "x" * 71),
        ({"type": "string", "maxLength": 5}, "x" * 5, "x" * 6),
        ({"type": "string", "format": "date"}, "2027-01-31", "x"),
        ({"type": "integer"}, 10**9, 10**10),
        ({"type": "integer", "minimum": 10**10}, 10**10, 10**9),
        ({"type": "integer", "maximum": -(10**10)}, -(10**10), 0),
        ({"type": "number", "exclusiveMaximum": 7}, 6.5, -(10**10)),
        ({"type": "array", "items": {"type": "boolean"}}, [True, False], [True, False, True]),
        ({"type": "array", "minItems": 3, "items": {"type": "boolean"}}, [True] * 3, [True] * 4),
        ({"type": "array", "prefixItems": [{"type": "string"}] * 3}, ["a"] * 3, ["a"] * 4),
        ({"type": "object", "additionalProperties": {"type": "null"}}, {"a": None}, {"a" * 25: None}),
        ({"type": "object"}, {"a": 1, "b": "x"}, {"a": 1, "b": 2, "c": 3}),
        (
            {"type": "object", "minProperties": 3, "additionalProperties": {"type": "null"}},
            {"a": None, "b": None, "c": None},
            {"a": None, "b": None},
        ),
        ({"type": "object", "additionalProperties": False}, {}, {"a": 1}),
        (
            {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "required": ["b"]},
            {"b": None},
            {"a": None, "b": None},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "minProperties": 1},
            {"a": None},
            {},
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "x" * 60, "x" * 61),
        ({}, "x" * 60, {"a": 1}),
        ({"enum": ["x" * 90]}, "x" * 90, "x"),
    ],
)
def test_what_is_short_has_bounds_everywhere(schema: JsonObject, good: JsonValue, bad: JsonValue) -> None:
    assert (_writes_shortly(schema, good), _writes_shortly(schema, bad)) == (True, False)
    assert Draft202012Validator(schema).is_valid(good)


@given(schemas)
@settings(max_examples=150)
def test_whatever_a_document_holds_the_second_try_has_a_grammar(schema: JsonValue) -> None:
    content: JsonObject = {"components": {"schemas": {"A": {"type": "string"}}}}
    read = SchemaReader(Definitions(content, "api")).read(schema)
    careful = sure({"type": "object", "properties": {"x": read}, "required": ["x"]})

    relaxed, _ = decodable(careful)
    for written in (relaxed, short(relaxed)):
        xgrammar.Grammar.from_json_schema(json.dumps(written))
        Draft202012Validator.check_schema(written)
