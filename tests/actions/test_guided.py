"""The texts of guided calling, letter by letter: training data is written with them."""

import json

import pytest

from actions import Operation
from actions.guided import (
    Care,
    arguments_format,
    arguments_prompt,
    call_text,
    catalogue,
    correction_prompt,
    decision_choices,
    decision_prompt,
    parse_decision,
    result_prompt,
    takes_nothing,
)
from actions.json_value import JsonObject, JsonValue

NAMES = ["search_tickets", "create_ticket"]


def _operation(name: str, parameters: JsonObject | None = None) -> Operation:
    return Operation(
        name=name,
        title=name,
        description=f"What {name} does.",
        parameters=parameters or {"type": "object"},
        consequential=False,
        method="GET",
        server="https://api.example",
        path="/x",
        bindings=(),
    )


def test_the_catalogue_has_one_line_an_operation() -> None:
    assert catalogue([_operation(name) for name in NAMES]) == (
        "# Actions\n- search_tickets: What search_tickets does.\n- create_ticket: What create_ticket does."
    )


def test_the_decision_is_one_name_or_none() -> None:
    assert decision_prompt(NAMES) == (
        "Which action is needed now? Answer with one name: none, search_tickets, create_ticket"
    )
    assert decision_choices(NAMES) == ["none", "search_tickets", "create_ticket"]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("search_tickets", "search_tickets"),
        (" `create_ticket`.\n", "create_ticket"),
        ("none", None),
        ("", None),
        ("search", None),
        ("delete_everything", None),
    ],
)
def test_only_a_given_name_is_a_decision(answer: str, name: str | None) -> None:
    assert parse_decision(answer, NAMES) == name


def test_call_and_result_are_written_as_in_the_training_data() -> None:
    arguments: JsonObject = {"query": "größe", "limit": 3}

    assert arguments_prompt("search_tickets") == "Write the arguments of search_tickets as JSON."
    assert correction_prompt("a", "`x` is missing.") == "`x` is missing.\n\nWrite the arguments of a as JSON."
    assert call_text("search_tickets", arguments) == 'search_tickets {"query": "größe", "limit": 3}'
    assert result_prompt("search_tickets", "nothing") == (
        "# Result of search_tickets\nnothing\n\nAnswer the request with this result."
    )


def test_the_decoding_schema_leaves_out_what_a_grammar_cannot_enforce() -> None:
    parameters: JsonObject = {
        "type": "object",
        "properties": {
            "format": {"type": "string", "format": "uri", "maxLength": 9},
            "many": {"type": "array", "uniqueItems": True, "items": {"type": "integer", "multipleOf": 2}},
        },
        "required": ["format"],
        "additionalProperties": False,
    }

    schema = arguments_format(_operation("act", parameters))

    assert schema == {
        "type": "structural_tag",
        "format": {
            "type": "json_schema",
            "json_schema": {
                "type": "object",
                "properties": {
                    "format": {"type": "string", "maxLength": 9},
                    "many": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["format"],
                "additionalProperties": False,
            },
            "max_whitespace_cnt": 1,
        },
    }
    assert json.dumps(parameters).count("uniqueItems") == 1


def _decoded(parameters: JsonObject, care: Care) -> JsonValue:
    whole = arguments_format(_operation("act", parameters), care)["format"]
    return whole["json_schema"] if isinstance(whole, dict) else None


def test_the_second_try_is_held_to_what_is_sure_or_to_what_is_short() -> None:
    text: JsonObject = {"type": "string"}
    numbers: JsonObject = {"type": "array", "uniqueItems": True, "items": {"type": "integer"}}
    parameters: JsonObject = {
        "type": "object",
        "properties": {"text": text, "numbers": numbers, "more": text},
        "required": ["text", "numbers"],
        "additionalProperties": False,
    }
    one: JsonObject = {"type": "array", "items": {"type": "integer"}, "maxItems": 1}

    assert _decoded(parameters, Care.SURE) == parameters | {
        "properties": {"text": text, "numbers": one, "more": text}
    }
    shortened = one | {"items": {"type": "integer", "minimum": -(10**9), "maximum": 10**9}}
    assert _decoded(parameters, Care.SHORT) == parameters | {
        "properties": {"text": {"type": "string", "maxLength": 60}, "numbers": shortened}
    }


def test_an_operation_takes_nothing_only_where_nothing_else_can_be_written() -> None:
    nothing: JsonObject = {"type": "object", "properties": {}, "additionalProperties": False}

    assert takes_nothing(_operation("act", nothing))
    assert not takes_nothing(_operation("act", {"type": "object"}))
    assert not takes_nothing(_operation("act", nothing | {"properties": {"a": {}}}))
