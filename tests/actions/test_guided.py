"""The texts of guided calling, letter by letter: training data is written with them."""

import json

import pytest

from actions import Operation
from actions.guided import (
    arguments_format,
    arguments_prompt,
    call_text,
    catalogue,
    correction_prompt,
    decision_choices,
    decision_prompt,
    parse_decision,
    result_prompt,
)
from actions.json_value import JsonObject

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
        "type": "json_schema",
        "json_schema": {
            "name": "act",
            "schema": {
                "type": "object",
                "properties": {
                    "format": {"type": "string", "maxLength": 9},
                    "many": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["format"],
                "additionalProperties": False,
            },
        },
    }
    assert json.dumps(parameters).count("uniqueItems") == 1
