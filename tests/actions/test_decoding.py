"""Schemas for constrained decoding: the real grammar compiler takes them, and nothing that is valid gets lost."""

import json

import pytest
import xgrammar
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from xgrammar.testing import _is_grammar_accept_string

from actions.decoding import decodable
from actions.json_value import JsonObject, JsonValue
from actions.schema import Definitions, SchemaReader, closed

_UNSUPPORTED = ("uniqueItems", "multipleOf", "contains", "propertyNames", "patternProperties", "not", "allOf")
"""What vLLM 0.32 refuses, or its grammar compiler passes over."""


def _grammar(schema: JsonObject) -> xgrammar.Grammar:
    return xgrammar.Grammar.from_json_schema(json.dumps(decodable(schema)[0]))


def _writes(schema: JsonObject, value: JsonValue) -> bool:
    """Tell whether a model could write `value` under the grammar."""
    return bool(_is_grammar_accept_string(_grammar(schema), json.dumps(value)))


_ALTERNATIVES: JsonObject = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "mail": {"type": "string"}, "phone": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
    "oneOf": [{"required": ["mail"]}, {"required": ["phone"]}],
}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (_ALTERNATIVES, {"name": "x", "mail": "y"}, 5),
        (_ALTERNATIVES, {"name": "x", "phone": "y"}, {"name": "x"}),
        ({"type": "string", "minLength": 3, "allOf": [{"maxLength": 4}]}, "abcd", "abcde"),
        ({"allOf": [{"type": "string"}, {"enum": ["yes", "no"]}]}, "yes", "maybe"),
        ({"type": "integer", "exclusiveMinimum": 0, "maximum": 1e30}, 7, 0),
        ({"type": "integer", "minimum": 0.5}, 1, 0),
        ({"type": "integer", "exclusiveMaximum": 2.5}, 2, 3),
        ({"type": "object", "required": ["a"], "properties": {}, "additionalProperties": False}, {"a": 1}, {}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "description": "x"}, None, 5),
        ({"type": "array", "items": {"type": "integer", "multipleOf": 2}, "uniqueItems": True}, [1, 1], ["x"]),
        ({"type": "array", "minItems": 1}, ["a", 1], []),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, ["a", 1], [1]),
        ({"type": "string", "not": {"const": "x"}, "format": "uri", "maxLength": 9}, "x", 5),
    ],
)
def test_the_grammar_keeps_what_it_can(schema: JsonObject, good: JsonValue, bad: JsonValue) -> None:
    assert (_writes(schema, good), _writes(schema, bad)) == (True, False)


@pytest.mark.parametrize(
    ("schema", "note"),
    [
        ({"type": "integer", "multipleOf": 5}, "the whole: `multipleOf` is checked only afterwards"),
        ({"type": "array", "uniqueItems": True}, "the whole: `uniqueItems` is checked only afterwards"),
        (
            {"type": "integer", "minimum": 5, "maximum": 3},
            "the whole: no number keeps its bounds",
        ),
        ({"type": "integer", "exclusiveMinimum": 2, "maximum": 2}, "the whole: no number keeps its bounds"),
        (
            {"type": "string", "minLength": 5, "maxLength": 3},
            "the whole: no value keeps both `minLength` and `maxLength`",
        ),
        ({"enum": []}, "the whole: no value is allowed"),
        (
            {"type": "object", "required": ["a"], "maxProperties": 0},
            "the whole: `maxProperties` is checked only afterwards",
        ),
        (
            {"type": "array", "prefixItems": [{}, {}], "maxItems": 1},
            "the whole: `maxItems` is checked only afterwards",
        ),
        (
            {"type": "object", "properties": {"a": {}}, "minProperties": 3, "additionalProperties": False},
            "the whole: `minProperties` is checked only afterwards",
        ),
        (
            {"anyOf": [{"type": "string"}], "oneOf": [{"const": "x"}]},
            "the whole: `oneOf` is checked only afterwards",
        ),
        (
            {"properties": {"a": {"properties": {"b": {"type": "number", "maximum": 1e300}}}}},
            "a.b: `maximum` is checked only afterwards",
        ),
        (
            {"allOf": [{"minLength": 1, "const": "x"}, {"const": "y"}]},
            "the whole: a part of `allOf` is checked only afterwards",
        ),
    ],
)
def test_what_is_relaxed_is_noted_with_its_place(schema: JsonObject, note: str) -> None:
    relaxed, notes = decodable(schema)

    assert notes == (note,)
    xgrammar.Grammar.from_json_schema(json.dumps(relaxed))


def test_a_schema_that_needs_nothing_is_left_as_it_is() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {"enum": {"type": "string", "enum": ["a"]}, "not": {"type": "string"}, "format": {}},
        "required": ["not"],
        "additionalProperties": False,
    }

    assert decodable(schema) == (schema, ())


_number = st.one_of(st.integers(-5, 5), st.floats(-5, 5), st.sampled_from([1e30, 2**63, -(2**64), 0.5]))
_count = st.integers(0, 4)
_leaf = st.one_of(
    st.fixed_dictionaries({"type": st.just("string")}, optional={"minLength": _count, "maxLength": _count}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": _number,
            "maximum": _number,
            "exclusiveMinimum": _number,
            "exclusiveMaximum": _number,
            "multipleOf": st.just(2),
        },
    ),
    st.sampled_from(
        [{}, {"type": "boolean"}, {"enum": ["a", 1, None]}, {"const": "x"}, {"enum": []}, True, False]
    ),
)


def _objects(inner: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[JsonValue]:
    names = st.sampled_from("abc")
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(names, inner, max_size=3)},
        optional={
            "required": st.lists(names, max_size=2, unique=True),
            "additionalProperties": st.one_of(st.booleans(), inner),
            "minProperties": _count,
            "maxProperties": _count,
            "oneOf": st.lists(st.fixed_dictionaries({"required": st.lists(names, max_size=1)}), max_size=2),
            "not": inner,
        },
    )


schemas = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        _objects(inner),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"minItems": _count, "maxItems": _count, "uniqueItems": st.booleans()},
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=3)}, optional={"type": st.just("object")}),
        st.fixed_dictionaries({"allOf": st.lists(inner, max_size=3)}, optional={"nullable": st.booleans()}),
        st.fixed_dictionaries(
            {"oneOf": st.lists(inner, min_size=1, max_size=2), "anyOf": st.lists(inner, max_size=2)}
        ),
        st.just({"$ref": "#/components/schemas/A"}),
    ),
    max_leaves=10,
)


@given(schemas, schemas)
@example({"allOf": [{"type": "integer", "minimum": 0.5}], "nullable": True}, {})
@example({"type": ["integer", "number", "null"], "exclusiveMaximum": 0.5}, {})
@example({"allOf": [{"not": {"type": "null"}}, {"not": {"type": "array"}}, {"uniqueItems": True}]}, {})
@settings(max_examples=300)
def test_whatever_a_document_holds_the_grammar_compiler_takes_it(schema: JsonValue, component: JsonValue) -> None:
    if isinstance(component, dict) and ("$ref" in component or "$ref" in str(component.get("allOf", ""))):
        component = {}
    content: JsonObject = {"components": {"schemas": {"A": component}}}
    read = closed(SchemaReader(Definitions(content, "api")).read(schema))

    relaxed, _ = decodable({"type": "object", "properties": {"x": read}})

    xgrammar.Grammar.from_json_schema(json.dumps(relaxed))
    assert not _keywords(relaxed) & {*_UNSUPPORTED}
    Draft202012Validator.check_schema(relaxed)


def _keywords(schema: JsonValue) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_keywords, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    found = set(schema) - {"enum", "const"}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            found |= set().union(*map(_keywords, value.values())) if value else set()
        elif key not in ("enum", "const", "required"):
            found |= _keywords(value)
    return found
