"""Bound queries: what a model writes for a place stays one literal, read back by a parser that knows no writer."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from actions import ArgumentsInvalid
from actions.soql import MAX_TEXT, BoundQuery, SoqlParameter, SoqlQuery, literal, written
from tests.fakes.soql import Malformed, Reader, Text, Token, tokens

WRITABLE = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029"),
    min_size=1,
    max_size=MAX_TEXT,
) | st.text(st.sampled_from("'\\%_\"nut\n\r\t\b\f ()-:"), min_size=1, max_size=40)
ATTACKS = (
    "x' OR Name != '",
    "x\\",
    "\\' OR Id != null --",
    "\\u0027 OR Name LIKE \\u0027%",
    "'",
    "''",
    "x') OR (Name LIKE '%",
    "%",
    "_" * 8,
    "a' LIMIT 2000 ALL ROWS",
    ":other",
    "\n' OR Name = '\n",
)


def _query(soql: str, **types: str) -> SoqlQuery:
    return SoqlQuery(
        soql=soql,
        parameters=tuple(
            SoqlParameter.model_validate({"name": name, "type": kind}) for name, kind in types.items()
        ),
    )


def _one(kind: str, value: Any) -> str:
    return literal(SoqlParameter.model_validate({"name": "place", "type": kind}), value)


def _only(soql: str) -> Token:
    (token,) = tokens(soql)
    return token


@given(value=WRITABLE, other=WRITABLE)
@example(value="x' OR Name != '", other="\\")
@example(value="\\", other=" OR Id != null OR Name = '")
def test_any_two_texts_stay_two_texts_of_the_same_query(value: str, other: str) -> None:
    query = _query("SELECT Id FROM Contact WHERE Name = :a AND Email = :b LIMIT 5", a="text", b="text")

    read = list(tokens(written(query, {"a": value, "b": other})))

    plain = list(tokens(written(query, {"a": "x", "b": "x"})))
    assert [token for token in read if token.kind != "text"] == [token for token in plain if token.kind != "text"]
    assert [token.value.value for token in read if token.kind == "text"] == [value, other]
    assert not any(token.value.only_like for token in read if token.kind == "text")


@given(value=WRITABLE)
@example(value="100%_\\'")
def test_what_a_model_writes_after_like_matches_itself_alone(value: str) -> None:
    contains, starts = _only(_one("contains", value)).value, _only(_one("starts_with", value)).value

    assert isinstance(contains, Text)
    assert (contains.value, set(contains.wildcards)) == (f"%{value}%", {0, len(value) + 1})
    assert (starts.value, set(starts.wildcards)) == (f"{value}%", {len(value)})


@pytest.mark.parametrize("attack", ATTACKS)
def test_known_injections_find_nothing_and_change_nothing(attack: str) -> None:
    query = _query(
        "SELECT Id FROM Contact WHERE Name = :name OR Name LIKE :part LIMIT 5", name="text", part="contains"
    )

    read = Reader(written(query, {"name": attack, "part": attack})).read()

    assert (read.fields, read.source, read.limit) == (["Id"], "Contact", 5)
    assert not read.holds({"Name": "Maeve"})
    assert read.holds({"Name": f"so {attack} it is"})


@given(values=st.lists(WRITABLE, min_size=1, max_size=8))
def test_a_list_stays_a_list_of_as_many_texts(values: Sequence[str]) -> None:
    read = [token.value.value for token in tokens(_one("texts", list(values))) if token.kind == "text"]

    assert read == list(values)


@given(value=st.integers(min_value=-(10**18), max_value=10**18))
def test_a_whole_number_is_one_number(value: int) -> None:
    assert _only(_one("integer", value)) == Token("number", str(value))


@given(value=st.floats(allow_nan=False, allow_infinity=False, min_value=-1e18, max_value=1e18))
@example(value=1e-300)
def test_a_number_is_written_without_exponent_and_means_the_same(value: float) -> None:
    token = _only(_one("number", value))

    assert (token.kind, float(token.value)) == ("number", value)


@given(value=st.dates(min_value=date(1700, 1, 1)))
def test_a_date_is_one_date(value: date) -> None:
    assert _only(_one("date", value.isoformat())) == Token("moment", value.isoformat())


@given(
    value=st.datetimes(
        min_value=datetime(1700, 1, 2),
        max_value=datetime(3999, 12, 30),
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]),
    )
)
def test_a_moment_is_written_in_utc(value: datetime) -> None:
    expected = value.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"

    assert _only(_one("datetime", value.isoformat())) == Token("moment", expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 3),
        ("text", None),
        ("text", "x" * (MAX_TEXT + 1)),
        ("text", "a\x00b"),
        ("text", "a\u2028b"),
        ("contains", ["x"]),
        ("id", "001"),
        ("id", "001000000000001AAA' OR Id != '"),
        ("id", "001000000000001AAA\n"),
        ("id", "٠٠١٠٠٠٠٠٠٠٠٠٠٠١"),
        ("ids", []),
        ("ids", ["001000000000001AAA", "x"]),
        ("texts", "x"),
        ("integer", "5"),
        ("integer", True),
        ("integer", 1.5),
        ("number", 1e19),
        ("number", float("nan")),
        ("number", float("inf")),
        ("boolean", 1),
        ("boolean", "true"),
        ("date", "2026-02-30"),
        ("date", "TODAY"),
        ("date", "2026-01-01 OR Id != null"),
        ("datetime", "2026-01-01T00:00:00"),
        ("datetime", "0001-01-01T00:00:00+14:00"),
        ("datetime", "NOW"),
    ],
)
def test_what_is_none_of_its_type_is_refused_with_the_name_of_its_place(kind: str, value: Any) -> None:
    with pytest.raises(ArgumentsInvalid, match="`place`"):
        _one(kind, value)


def test_ids_and_booleans_are_written_as_salesforce_reads_them() -> None:
    assert _one("id", "001000000000001AAA") == "'001000000000001AAA'"
    assert _one("ids", ["001000000000001", "001000000000002"]) == "('001000000000001', '001000000000002')"
    assert (_one("boolean", True), _one("boolean", False)) == ("true", "false")


def test_a_place_in_quotes_is_text_and_times_are_no_places() -> None:
    query = _query(
        "SELECT Id FROM Case WHERE Name = ':a' AND CreatedDate > 2026-01-01T10:30:00Z AND X = :b", b="text"
    )

    assert written(query, {"b": "y"}).endswith("Name = ':a' AND CreatedDate > 2026-01-01T10:30:00Z AND X = 'y'")


@pytest.mark.parametrize(
    ("soql", "parameters", "says"),
    [
        ("SELECT Id FROM Case WHERE Id = :a", [], "the place :a has no entry under parameters"),
        ("SELECT Id FROM Case", [{"name": "a"}], "'a' has no place"),
        ("SELECT Id FROM Case WHERE Name = ':a'", [{"name": "a"}], "'a' has no place"),
        ("SELECT Id FROM Case WHERE X = :a", [{"name": "a"}, {"name": "a"}], "the same name"),
        ("SELECT Id FROM Case WHERE Name = 'x AND X = :a", [{"name": "a"}], "never closed"),
        ("SELECT Id FROM Case LIMIT :a", [{"name": "a", "type": "integer", "default": "5"}], "the default"),
        (
            "SELECT Id FROM Case LIMIT :a",
            [{"name": "a", "type": "number", "default": float("nan")}],
            "the default",
        ),
    ],
)
def test_a_query_whose_places_and_parameters_differ_is_refused(
    soql: str, parameters: list[Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        SoqlQuery.model_validate({"soql": soql, "parameters": parameters})


def test_a_default_is_taken_where_the_model_writes_none_and_bounds_hold() -> None:
    limit = SoqlParameter(name="n", type="integer", default=5, minimum=1, maximum=50, description="How many.")
    bound = BoundQuery(SoqlQuery(soql="SELECT Id FROM Case LIMIT :n", parameters=(limit,)), "q")

    assert bound.parameters == {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 50, "description": "How many."}},
        "additionalProperties": False,
    }
    assert bound.compose({}, 0) == {"q": "SELECT Id FROM Case LIMIT 5"}
    assert bound.compose({"n": 7}, 0) == {"q": "SELECT Id FROM Case LIMIT 7"}
    for wrong in (0, 51):
        with pytest.raises(ArgumentsInvalid, match="too small or too great"):
            bound.compose({"n": wrong}, 0)


def test_a_query_that_no_address_can_hold_is_refused() -> None:
    query = _query("SELECT Id FROM Case WHERE Name IN :names", names="texts")

    with pytest.raises(ArgumentsInvalid, match="too long for one query"):
        written(query, {"names": ["x" * MAX_TEXT] * 90})


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Id FROM Case WHERE Name = 'x' OR Name = 'y",
        "SELECT Id FROM Case WHERE Name = 'a\\qb'",
        "SELECT Id FROM Case WHERE Name = 'a\nb'",
        "SELECT Id FROM Case WHERE Name = 'a\\_b'",
        "SELECT Id FROM Case WHERE Name = 'a' 'b'",
        "SELECT Id FROM Case WHERE (Name = 'a'",
        "SELECT Id FROM Case; DELETE",
        "DELETE FROM Case",
        "SELECT Id FROM Case LIMIT ten",
        "SELECT Id FROM Case WHERE Name =",
    ],
)
def test_the_reader_of_these_tests_refuses_what_salesforce_does(soql: str) -> None:
    with pytest.raises(Malformed):
        Reader(soql).read()


def test_the_reader_of_these_tests_compares_as_salesforce_does() -> None:
    record = {
        "Name": "Maeve O'Hara",
        "Amount": 20.0,
        "IsClosed": False,
        "Account": {"Name": "X"},
        "CloseDate": "2026-05-01",
    }
    holding = [
        "Name = 'maeve o\\'hara'",
        "Name LIKE 'MAEVE%'",
        "Name LIKE 'M_eve O\\'Hara'",
        "NOT Name LIKE '\\%'",
        "Amount >= 20 AND Amount < 20.5 AND Amount != 21",
        "(Amount > 30 OR IsClosed = false) AND Account.Name = 'X'",
        "CloseDate >= 2026-05-01 AND CloseDate <= 2026-05-31",
        "Name IN ('a', 'Maeve O\\u0027Hara')",
        "Missing = null",
    ]

    for condition in holding:
        assert (
            Reader(f"SELECT Id FROM Contact WHERE {condition} ORDER BY Name ASC, Id DESC LIMIT 3")
            .read()
            .holds(record)
        )
        assert not Reader(f"SELECT Id FROM Contact WHERE NOT ({condition})").read().holds(record)
