"""Every style, read back by a reader that knows nothing of ours: RFC 6570 and OpenAPI, undone by hand."""

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from starlette.requests import cookie_parser

from actions import ArgumentsInvalid, Operation
from actions.json_value import JsonObject, JsonValue
from actions.operation import Binding, Place, Style
from actions.request import PreparedRequest, prepare

_TEXT = st.text(alphabet="aB1 ä☃/?#&=+%;,.:@!$'()*[]|\\\"~-_", min_size=1, max_size=12)
_PLAIN = st.one_of(_TEXT, st.integers(-(10**9), 10**9), st.booleans())
_LIST = st.lists(_PLAIN, min_size=1, max_size=4)
_KEYS = st.text(alphabet="abcXYZ_-. ä=&,;", min_size=1, max_size=6)
_OBJECT = st.dictionaries(_KEYS, _PLAIN, min_size=1, max_size=4)
_VALUE = st.one_of(_PLAIN, _LIST, _OBJECT)
_DELIMITERS = {Style.SPACE_DELIMITED: "%20", Style.PIPE_DELIMITED: "%7C"}


def _operation(path: str, *bindings: Binding) -> Operation:
    return Operation(
        name="act",
        title="act",
        description="",
        parameters={},
        consequential=False,
        method="GET",
        server="https://api.example",
        path=path,
        bindings=bindings,
    )


def _prepared(place: Place, style: Style, value: JsonValue, *, explode: bool) -> PreparedRequest:
    operation = _operation(
        "/things/{p}/end" if place is Place.PATH else "/things", Binding("p", place, "p", style, explode)
    )
    try:
        return prepare(operation, {"p": value})
    except ArgumentsInvalid:
        assume(False)
        raise


def _text(value: JsonValue) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _texts(value: JsonValue) -> object:
    """Return `value` as any reader of text sees it."""
    if isinstance(value, dict):
        return {key: _text(one) for key, one in value.items()}
    return [_text(one) for one in value] if isinstance(value, list) else _text(value)


def _listed(raw: str, delimiter: str, like: JsonValue) -> object:
    """Undo a delimited list, or names and values in turn."""
    parts = [unquote(part) for part in raw.split(delimiter)]
    if isinstance(like, dict):
        return dict(zip(parts[::2], parts[1::2], strict=True))
    return parts if isinstance(like, list) else unquote(raw)


def _pairs(raw: list[str]) -> dict[str, str]:
    return {unquote(name): unquote(value) for name, _, value in (one.partition("=") for one in raw)}


def _segment(prepared: PreparedRequest) -> str:
    before, name, segment, end = prepared.url.raw_path.decode().split("/")
    assert (before, name, end) == ("", "things", "end")
    return segment


@given(_VALUE, st.booleans())
def test_simple_paths_are_read_back_equal(value: JsonValue, explode: bool) -> None:
    segment = _segment(_prepared(Place.PATH, Style.SIMPLE, value, explode=explode))

    read = _pairs(segment.split(",")) if explode and isinstance(value, dict) else _listed(segment, ",", value)

    assert read == _texts(value)


@given(_VALUE, st.booleans())
def test_label_paths_are_read_back_equal(value: JsonValue, explode: bool) -> None:
    segment = _segment(_prepared(Place.PATH, Style.LABEL, value, explode=explode))
    assert segment[0] == "."
    delimiter = "." if explode else ","

    pairs = explode and isinstance(value, dict)
    read = _pairs(segment[1:].split(delimiter)) if pairs else _listed(segment[1:], delimiter, value)

    assert read == _texts(value)


@given(_VALUE, st.booleans())
def test_matrix_paths_are_read_back_equal(value: JsonValue, explode: bool) -> None:
    segment = _segment(_prepared(Place.PATH, Style.MATRIX, value, explode=explode))
    before, *parts = segment.split(";")
    assert before == ""

    if explode and isinstance(value, dict):
        assert _pairs(parts) == _texts(value)
    elif explode and isinstance(value, list):
        assert [unquote(part.removeprefix("p=")) for part in parts] == _texts(value)
    else:
        assert len(parts) == 1
        assert _listed(parts[0].removeprefix("p="), ",", value) == _texts(value)


@given(_VALUE, st.sampled_from([Style.FORM, Style.SPACE_DELIMITED, Style.PIPE_DELIMITED]), st.booleans())
def test_queries_are_read_back_equal(value: JsonValue, style: Style, explode: bool) -> None:
    raw = _prepared(Place.QUERY, style, value, explode=explode).url.query.decode()

    pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=True)
    if explode and isinstance(value, dict):
        assert dict(pairs) == _texts(value)
    elif explode and isinstance(value, list):
        assert pairs == [("p", one) for one in _texts(value)]  # type: ignore[attr-defined]  # a list, as value is
    elif isinstance(value, list | dict):
        assert _listed(raw.removeprefix("p="), _DELIMITERS.get(style, ","), value) == _texts(value)
    else:
        assert pairs == [("p", _texts(value))]


_NESTED = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3), st.dictionaries(_KEYS, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(_KEYS, _NESTED, min_size=1, max_size=3))
def test_deep_objects_are_read_back_equal_also_nested(value: JsonObject) -> None:
    prepared = _prepared(Place.QUERY, Style.DEEP_OBJECT, value, explode=True)

    root: dict[str, object] = {}
    for name, text in parse_qsl(prepared.url.query.decode(), keep_blank_values=True, strict_parsing=True):
        first, *keys = name.removesuffix("]").replace("]", "").split("[")
        assert first == "p"
        node = root
        for key in keys[:-1]:
            node = node.setdefault(key, {})  # type: ignore[assignment]  # only objects lie between
        node[keys[-1]] = text

    assert root == _as_objects(value)


def _as_objects(value: JsonValue) -> object:
    """Return what the brackets can say: a list is an object with numbers for names."""
    if isinstance(value, dict):
        return {key: _as_objects(one) for key, one in value.items()}
    if isinstance(value, list):
        return {str(number): _as_objects(one) for number, one in enumerate(value)}
    return _text(value)


@given(_VALUE, st.booleans())
def test_headers_are_read_back_equal(value: JsonValue, explode: bool) -> None:
    raw = _prepared(Place.HEADER, Style.SIMPLE, value, explode=explode).headers["p"]

    assert raw.isascii()
    if explode and isinstance(value, dict):
        assert dict(one.split("=", 1) for one in raw.split(",")) == _texts(value)
    elif isinstance(value, dict):
        parts = raw.split(",")
        assert dict(zip(parts[::2], parts[1::2], strict=True)) == _texts(value)
    else:
        assert (raw.split(",") if isinstance(value, list) else raw) == _texts(value)


@given(st.one_of(_PLAIN, _OBJECT))
def test_cookies_are_read_back_equal(value: JsonValue) -> None:
    raw = _prepared(Place.COOKIE, Style.FORM, value, explode=True).headers["Cookie"]

    read = {unquote(name): unquote(text) for name, text in cookie_parser(raw).items()}
    assert read == (_texts(value) if isinstance(value, dict) else {"p": _texts(value)})


@given(_LIST)
def test_lists_in_cookies_are_read_back_equal(value: list[JsonValue]) -> None:
    raw = _prepared(Place.COOKIE, Style.FORM, value, explode=False).headers["Cookie"]

    assert [unquote(one) for one in cookie_parser(raw)["p"].split(",")] == _texts(value)


@given(_NESTED, st.sampled_from([Place.QUERY, Place.COOKIE]))
def test_json_in_a_query_or_cookie_is_read_back_equal(value: JsonValue, place: Place) -> None:
    import json

    prepared = _prepared(place, Style.JSON, value, explode=False)
    if place is Place.QUERY:
        ((name, raw),) = parse_qsl(prepared.url.query.decode(), keep_blank_values=True)
    else:
        ((name, raw),) = cookie_parser(prepared.headers["Cookie"]).items()
        raw = unquote(raw)

    assert (name, json.loads(raw)) == ("p", value)


@pytest.mark.parametrize(
    ("place", "style", "explode", "value", "message"),
    [
        (Place.HEADER, Style.SIMPLE, False, ["a,b"], "cannot hold ','"),
        (Place.HEADER, Style.SIMPLE, True, {"a=b": "c"}, "cannot hold '='"),
        (Place.HEADER, Style.SIMPLE, False, " a", "one line of plain ASCII"),
        (Place.QUERY, Style.SPACE_DELIMITED, False, ["a b", "c"], "cannot hold ' '"),
        (Place.QUERY, Style.PIPE_DELIMITED, False, ["a|b"], r"cannot hold '\|'"),
        (Place.QUERY, Style.DEEP_OBJECT, True, {"a]": "b"}, r"cannot hold '\]'"),
        (Place.QUERY, Style.FORM, True, [["a"]], "no lists or objects inside"),
        (Place.QUERY, Style.FORM, True, {"a": {"b": "c"}}, "no lists or objects inside"),
        (Place.PATH, Style.LABEL, True, ["a.b"], r"cannot hold '\.'"),
        (Place.PATH, Style.LABEL, True, ".", "cannot be '.'"),
        (Place.PATH, Style.MATRIX, True, {"a": "../b"}, "cannot be '../b'"),
        (Place.PATH, Style.SIMPLE, False, [], "cannot be ''"),
    ],
)
def test_what_a_style_cannot_say_apart_is_refused(
    place: Place, style: Style, explode: bool, value: JsonValue, message: str
) -> None:
    operation = _operation("/{p}" if place is Place.PATH else "/", Binding("p", place, "p", style, explode))
    with pytest.raises(ArgumentsInvalid, match=message):
        prepare(operation, {"p": value})


@pytest.mark.parametrize(("place", "style"), [(Place.QUERY, Style.FORM), (Place.COOKIE, Style.FORM)])
def test_the_keys_of_an_object_cannot_take_the_place_of_another_parameter(place: Place, style: Style) -> None:
    operation = _operation("/", Binding("account", place, "account"), Binding("filter", place, "filter", style))
    with pytest.raises(ArgumentsInvalid, match="`filter` cannot have the field `account`"):
        prepare(operation, {"account": "mine", "filter": {"account": "yours"}})


@given(st.text(alphabet="./%2eE", max_size=4), st.text(alphabet="./%2eE", max_size=4))
def test_two_values_in_one_segment_cannot_climb_together(first: str, second: str) -> None:
    operation = _operation(
        "/things/{a}{b}/end",
        Binding("a", Place.PATH, "a", Style.SIMPLE, explode=False),
        Binding("b", Place.PATH, "b", Style.LABEL, explode=False),
    )
    try:
        path = prepare(operation, {"a": first, "b": second}).url.raw_path.decode()
    except ArgumentsInvalid:
        return
    parts = path.split("/")
    assert (parts[1], parts[3], len(parts)) == ("things", "end", 4)
    assert unquote(parts[2]) not in ("", ".", "..")
