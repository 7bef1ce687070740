"""A model's arguments: what is said when they do not fit, and that no value leaves its place."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions import ArgumentsInvalid, Operation
from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding, Place, Style
from actions.request import prepare
from actions.validation import validate_arguments

TICKET: JsonObject = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 3, "maxLength": 9},
        "priority": {"type": "string", "enum": ["low", "high"]},
        "points": {"type": "integer", "minimum": 1, "maximum": 13},
        "labels": {"type": "array", "items": {"type": "string"}},
        "owner": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "due": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
    },
    "required": ["title", "priority"],
    "additionalProperties": False,
}


def _operation(parameters: JsonObject = TICKET, *bindings: Binding) -> Operation:
    return Operation(
        name="act",
        title="act",
        description="",
        parameters=parameters,
        consequential=True,
        method="GET",
        server="https://api.example/v1",
        path="/things/{id}/parts",
        bindings=bindings,
        media_type="application/json",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": None}, "`title` must be of type string, not null."),
        ({"title": "x"}, "`title` must have at least 3 characters."),
        ({"title": "x" * 10}, "`title` must have at most 9 characters."),
        ({"priority": "urgent"}, '`priority` must be one of "low", "high", not "urgent".'),
        ({"points": 0}, "`points` must be at least 1."),
        ({"points": 14}, "`points` must be at most 13."),
        ({"points": "5"}, '`points` must be of type integer, not "5".'),
        ({"labels": ["a", 5]}, "`labels.1` must be of type string, not 5."),
        ({"owner": {}}, "`owner.name` is missing: write a string."),
        ({"due": 5}, "`due` must be of type"),
        ({"extra": 1}, "`extra` must be left out: write only `title`, `priority`, `points`, `labels`,"),
    ],
)
def test_the_message_names_the_field_and_says_what_to_write(changes: JsonObject, message: str) -> None:
    arguments = {"title": "Good", "priority": "low", **changes}

    with pytest.raises(ArgumentsInvalid) as raised:
        validate_arguments(_operation(), json.dumps(arguments))

    assert raised.value.message.startswith(message)


def test_a_missing_field_is_named_with_its_values() -> None:
    with pytest.raises(ArgumentsInvalid, match='`priority` is missing: write one of "low", "high"'):
        validate_arguments(_operation(), '{"title": "Good"}')


def test_several_problems_are_each_said_once() -> None:
    with pytest.raises(ArgumentsInvalid) as raised:
        validate_arguments(_operation(), '{"points": 0}')

    assert raised.value.message == (
        '`title` is missing: write a string. `priority` is missing: write one of "low", "high". '
        "`points` must be at least 1."
    )


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        '"x"',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        "[" * 5_000,
        '{"a": ' + "9" * 5_000 + "}",
    ],
)
def test_what_is_no_proper_json_object_is_refused(text: str) -> None:
    with pytest.raises(ArgumentsInvalid, match="The arguments"):
        validate_arguments(_operation({"type": "object"}), text)


def test_arguments_too_long_for_an_address_are_refused() -> None:
    operation = _operation({"type": "object"}, Binding("q", Place.QUERY, "q"))

    with pytest.raises(ArgumentsInvalid, match="too long for an address"):
        prepare(operation, {"q": "x" * 90_000})


_values = st.one_of(
    st.text(alphabet="./\\%?#&=;@:[]~ aä\n\x00"),
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.none(),
)


@given(_values, st.lists(_values, max_size=3), _values)
def test_no_value_leaves_its_place(
    path_value: JsonValue, query_value: list[JsonValue], header_value: JsonValue
) -> None:
    operation = _operation(
        {"type": "object"},
        Binding("id", Place.PATH, "id", Style.SIMPLE, explode=False),
        Binding("q", Place.QUERY, "q"),
        Binding("h", Place.HEADER, "X-H", Style.SIMPLE, explode=False),
    )

    with contextlib.suppress(ArgumentsInvalid):
        prepared = prepare(operation, {"id": path_value, "q": query_value, "h": header_value})

        assert (prepared.url.scheme, prepared.url.host, prepared.url.userinfo) == ("https", "api.example", b"")
        path = prepared.url.raw_path.split(b"?")[0].split(b"/")
        assert (path[:3], len(path), path[4]) == ([b"", b"v1", b"things"], 5, b"parts")
        assert path[3] not in (b"", b".", b"..")
        assert all(pair[0] == "q" for pair in prepared.url.params.multi_items())
        assert all("\n" not in value and "\r" not in value for value in prepared.headers.values())
