"""Schemas of documents as self-contained JSON Schema."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from actions.json_value import JsonObject, JsonValue
from actions.schema import Definitions, SchemaReader, closed, strict


def _reader(schemas: dict[str, JsonValue]) -> SchemaReader:
    return SchemaReader(Definitions({"components": {"schemas": schemas}}, "api"))


def _read(schema: JsonValue, **schemas: JsonValue) -> JsonObject:
    return closed(_reader(schemas).read(schema))


def _read_strictly(schema: JsonValue, **schemas: JsonValue) -> JsonObject:
    reader = _reader(schemas)
    read = reader.read(schema)
    return strict(read, reader.definitions())


def _ref(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def test_references_are_inlined() -> None:
    assert _read(_ref("A"), A={"type": "array", "items": _ref("B")}, B={"type": "string"}) == {
        "type": "array",
        "items": {"type": "string"},
    }


def test_recursion_ends_in_an_open_schema() -> None:
    tree: JsonObject = {"type": "object", "properties": {"name": {"type": "string"}, "child": _ref("Tree")}}

    schema = _read(_ref("Tree"), Tree=tree)

    assert "$ref" not in json.dumps(schema)
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid({"child": {"child": {"child": {"child": {"name": "x"}}}}})
    assert not Draft202012Validator(schema).is_valid({"child": {"name": 5}})


_TREE: JsonObject = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
    },
}


def _nested(depth: int, leaf: JsonValue) -> JsonValue:
    value = leaf
    for _ in range(depth):
        value = {"name": "n", "children": [value]}
    return value


@pytest.mark.parametrize("depth", [1, 2, 3, 9])
def test_what_recurs_is_checked_at_any_depth_though_it_is_open_where_it_is_decoded(depth: int) -> None:
    good, bad = _nested(depth, {"name": "x"}), _nested(depth, {"name": 5})
    checked = Draft202012Validator(_read_strictly(_ref("Tree"), Tree=_TREE))
    decoded = Draft202012Validator(_read(_ref("Tree"), Tree=_TREE))

    assert (checked.is_valid(good), checked.is_valid(bad)) == (True, False)
    assert (decoded.is_valid(good), decoded.is_valid(bad)) == (True, depth > 1)


def test_two_schemas_that_lead_to_each_other_are_checked_at_any_depth() -> None:
    a: JsonObject = {"type": "object", "properties": {"b": {"nullable": True, "allOf": [_ref("B")]}}}
    b: JsonObject = {"type": "object", "properties": {"a": _ref("A"), "n": {"type": "integer"}}}
    checked = Draft202012Validator(_read_strictly(_ref("A"), A=a, B=b))
    value: JsonValue = {"n": 1}
    wrong: JsonValue = {"n": "x"}
    for _ in range(6):
        value, wrong = {"a": {"b": value}}, {"a": {"b": wrong}}

    assert checked.is_valid({"b": value})
    assert checked.is_valid({"b": {"a": {"b": {"a": {"b": {"a": {"b": None}}}}}}})
    assert not checked.is_valid({"b": wrong})


def test_a_schema_that_multiplies_stays_small_and_quick() -> None:
    schemas: dict[str, JsonValue] = {
        f"S{n}": {"type": "object", "properties": {f"p{i}": _ref(f"S{n + 1}") for i in range(10)}}
        for n in range(9)
    }
    schemas["S9"] = {"type": "string"}
    started = time.perf_counter()

    schema = _read(_ref("S0"), **schemas)

    assert time.perf_counter() - started < 20  # written out, it would have a thousand million properties
    assert len(json.dumps(schema)) < 1_000_000


def test_all_of_is_merged_into_one_object() -> None:
    base: JsonObject = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}

    schema = _read(
        {"allOf": [_ref("Base"), {"required": ["name"], "properties": {"name": {"type": "string"}}}]},
        Base=base,
    )

    assert schema == {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
    }


def test_all_of_keeps_the_stricter_bound_and_the_common_values() -> None:
    schema = _read(
        {"allOf": [{"minLength": 2, "maxLength": 9, "enum": ["a", "b"]}, {"minLength": 3, "enum": ["b"]}]}
    )

    assert schema == {"minLength": 3, "maxLength": 9, "enum": ["b"]}


def test_what_cannot_be_merged_stays_asked() -> None:
    schema = _read({"allOf": [{"anyOf": [{"type": "string"}]}, {"anyOf": [{"const": "x"}]}]})

    assert Draft202012Validator(schema).is_valid("x")
    assert not Draft202012Validator(schema).is_valid("y")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "nullable": True},
        {"type": "string", "enum": ["x"], "nullable": True},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"nullable": True, "allOf": [{"$ref": "#/components/schemas/S"}]},
        {"nullable": True, "oneOf": [{"$ref": "#/components/schemas/S"}]},
    ],
)
def test_every_dialect_of_null_allows_null_and_the_value(schema: JsonObject) -> None:
    validator = Draft202012Validator(_read(schema, S={"type": "string"}))

    assert validator.is_valid(None)
    assert validator.is_valid("x")
    assert not validator.is_valid(5)


def test_exclusive_bounds_of_both_dialects_mean_the_same() -> None:
    old = _read({"type": "integer", "minimum": 0, "exclusiveMinimum": True})
    new = _read({"type": "integer", "exclusiveMinimum": 0})

    assert old == new == {"type": "integer", "exclusiveMinimum": 0}


def test_read_only_fields_are_not_offered() -> None:
    schema = _read(
        {
            "properties": {"id": {"type": "integer", "readOnly": True}, "a": {"type": "string"}},
            "required": ["id", "a"],
        }
    )

    assert schema == {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def test_patterns_are_left_to_the_service() -> None:
    assert _read({"type": "string", "pattern": "^(a+)+$"}) == {"type": "string"}


_leaves = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "nullable": True},
        {"$ref": "#/components/schemas/A"},
        True,
        False,
        {},
    ]
)
_schemas = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from("abc"), inner)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3), "nullable": st.booleans()}),
    ),
    max_leaves=12,
)


@given(_schemas, _schemas)
def test_whatever_the_document_holds_the_result_is_a_schema_without_references(
    schema: JsonValue, component: JsonValue
) -> None:
    result = _read(schema, A=component) if component != {"$ref": "#/components/schemas/A"} else _read(schema, A={})

    Draft202012Validator.check_schema(result)
    assert "$ref" not in json.dumps(result)
