"""Bodies, read back as servers read them: by the standard library, and by python-multipart through Starlette."""

import json
from urllib.parse import parse_qsl

import anyio
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from actions.body import write_body
from actions.config import ActionConfig
from actions.document import Document, parse_document
from actions.importer import read_operations
from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding, Operation, Part, Place, Style
from actions.request import PreparedRequest, prepare
from tests.actions.documents import body, document, operation

_TEXT = st.text(alphabet="aB1 ä☃/?#&=+%;,.:@\"'\r\n\x00--", max_size=12)
_PLAIN = st.one_of(_TEXT, st.integers(-(10**9), 10**9), st.booleans())
_NAMES = st.text(alphabet='abc_-[]. ä"', min_size=1, max_size=8)
_OBJECTS = st.dictionaries(st.sampled_from("xyz"), _PLAIN, min_size=1)
_FIELD = st.one_of(_PLAIN, st.lists(_PLAIN, min_size=1, max_size=3), _OBJECTS, st.lists(_OBJECTS, max_size=2))


def _text(value: JsonValue) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _expected(fields: JsonObject) -> list[tuple[str, object]]:
    """Return the pairs that the specification asks for: lists item by item, objects as JSON."""
    pairs: list[tuple[str, object]] = []
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            pairs.append((name, one if isinstance(one, dict) else _text(one)))
    return pairs


def _read(name: str, text: str, like: list[tuple[str, object]], number: int) -> tuple[str, object]:
    return name, json.loads(text) if isinstance(like[number][1], dict) else text


def _parsed(content: bytes, kind: str) -> list[tuple[str, str, str | None]]:
    """Return name, text and file name of each part."""

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def parse() -> list[tuple[str, str, str | None]]:
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
        async with Request(scope, receive).form() as form:
            return [
                (name, one, None) if isinstance(one, str) else (name, (await one.read()).decode(), one.filename)
                for name, one in form.multi_items()
            ]

    return anyio.run(parse)


_BODY = (Binding("body", Place.BODY, "body", Style.JSON),)


@given(st.dictionaries(_NAMES, _FIELD, max_size=4))
def test_a_form_is_read_back_equal(fields: JsonObject) -> None:
    written = write_body("application/x-www-form-urlencoded", _BODY, {"body": fields})
    assert written is not None
    expected = _expected(fields)

    pairs = parse_qsl(written[0].decode(), keep_blank_values=True)

    assert [_read(name, text, expected, number) for number, (name, text) in enumerate(pairs)] == expected


@given(st.dictionaries(_NAMES, _FIELD, min_size=1, max_size=4))
def test_a_multipart_form_is_read_back_equal(fields: JsonObject) -> None:
    expected = _expected(fields)
    written = write_body("multipart/form-data", _BODY, {"body": fields})
    if not expected:
        assert written is None
        return
    assert written is not None

    named = [(name.replace("%22", '"'), text) for name, text, _ in _parsed(*written)]
    assert [_read(name, text, expected, number) for number, (name, text) in enumerate(named)] == expected


@given(_TEXT, st.lists(_TEXT, max_size=3))
def test_text_for_a_file_arrives_as_a_file(text: str, more: list[str]) -> None:
    file = Part("text/plain; charset=utf-8", is_file=True)
    bindings = (
        Binding("note", Place.BODY_FIELD, "note", Style.JSON),
        Binding("file", Place.BODY_FIELD, "file", part=file),
        Binding("more", Place.BODY_FIELD, "more", part=file),
    )
    written = write_body("multipart/form-data", bindings, {"note": text, "file": text, "more": [*more]})
    assert written is not None

    assert _parsed(*written) == [
        ("note", text, None),
        ("file", text, "file.txt"),
        *(("more", one, "more.txt") for one in more),
    ]


@given(_TEXT)
def test_text_is_sent_as_it_is(text: str) -> None:
    written = write_body("text/csv", (Binding("body", Place.BODY, "body"),), {"body": text})

    assert written == (text.encode(), "text/csv; charset=utf-8")


def _operation(request_body: JsonObject) -> Operation:
    content = document({"/x": {"post": operation(operationId="x", requestBody=request_body)}})
    operations, skipped = read_operations(
        Document("api", parse_document(json.dumps(content), "api")), ActionConfig(document="api")
    )
    assert not skipped
    return operations[0]


def _sent(request_body: JsonObject, arguments: JsonObject) -> PreparedRequest:
    return prepare(_operation(request_body), arguments)


def test_the_fields_of_a_form_follow_the_styles_that_the_document_states() -> None:
    form = body(
        {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                "expand": {"type": "array", "items": {"type": "string"}},
                "fields": {"type": "array", "items": {"type": "string"}},
                "address": {"type": "object", "properties": {"city": {"type": "string"}}},
            },
        },
        media_type="application/x-www-form-urlencoded",
    )
    form["content"]["application/x-www-form-urlencoded"]["encoding"] = {  # type: ignore[index,call-overload]  # as made
        "metadata": {"style": "deepObject", "explode": True},
        "expand": {"style": "deepObject", "explode": True},
        "fields": {"style": "pipeDelimited", "explode": False},
    }

    prepared = _sent(
        form,
        {
            "name": "A & B",
            "metadata": {"order": "7"},
            "expand": ["a", "b"],
            "fields": ["x", "y"],
            "address": {"city": "Köln"},
        },
    )

    assert prepared.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert prepared.content is not None
    assert parse_qsl(prepared.content.decode()) == [
        ("name", "A & B"),
        ("metadata[order]", "7"),
        ("expand[0]", "a"),
        ("expand[1]", "b"),
        ("fields", "x|y"),
        ("address", '{"city":"Köln"}'),
    ]


def test_json_is_preferred_where_a_document_offers_several_media_types() -> None:
    schema: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}}
    request: JsonObject = {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": schema},
            "text/plain": {"schema": {"type": "string"}},
            "application/vnd.api+json": {"schema": schema},
        },
    }

    prepared = _sent(request, {"a": "b"})

    assert (prepared.headers["Content-Type"], prepared.content) == ("application/vnd.api+json", b'{"a":"b"}')


def test_a_form_field_keeps_its_name_on_the_wire_whatever_the_argument_is_called() -> None:
    form = body(
        {"type": "object", "properties": {"a b[]": {"type": "array", "items": {"type": "string"}}}},
        media_type="application/x-www-form-urlencoded",
    )
    (argument,) = _operation(form).bindings

    assert argument.argument == "a_b"
    assert _sent(form, {"a_b": ["x"]}).content == b"a%20b%5B%5D=x"
