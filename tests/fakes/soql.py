r"""A small reader of SOQL, written from Salesforce's reference alone: it knows nothing of who writes the queries.

| rule | follows: Salesforce, "SOQL and SOSL Reference" |
|---|---|
| a text stands in single quotes; a bare `'` ends it | "Reserved Characters" |
| `\n \r \t \b \f \" \' \\`, `\uXXXX`; after LIKE `\_` and `\%`; else an error | "Quoted String Escape Sequences" |
| `%` matches any text, `_` one character, case aside | "Comparison Operators": LIKE |
| dates and moments stand without quotes | "Date Formats and Date Literals" |
| SELECT, FROM, WHERE with AND, OR, NOT and brackets, ORDER BY, LIMIT | "SOQL SELECT Syntax" |
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_SIGN = re.compile(r"<=|>=|!=|[=<>(),]")
_COMPARED = {"=", "!=", "<", "<=", ">", ">="}


class Malformed(Exception):
    """This is no SOQL; says where."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text literal: pieces of text, and `%` or `_` where they stood without a backslash."""

    value: str
    wildcards: frozenset[int]
    only_like: bool

    def matches(self, other: str) -> bool:
        """Tell whether the whole of `other` is like this."""
        return _like(self, 0, other.lower(), 0)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    value: Any


@dataclass(slots=True)
class Select:
    """A query that was read."""

    fields: list[str]
    source: str
    holds: Callable[[Mapping[str, Any]], bool] = lambda record: True
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int = 2000


def tokens(soql: str) -> Iterator[Token]:
    """Yield the tokens of a query.

    Raises:
        Malformed: something in it is none.
    """
    position = 0
    while position < len(soql):
        if soql[position].isspace():
            position += 1
            continue
        if soql[position] == "'":
            text, position = _text(soql, position + 1)
            yield Token("text", text)
            continue
        for kind, pattern in (("moment", _MOMENT), ("number", _NUMBER), ("word", _WORD), ("sign", _SIGN)):
            if match := pattern.match(soql, position):
                yield Token(kind, match[0])
                position = match.end()
                break
        else:
            raise Malformed(f"unexpected token: {soql[position : position + 10]!r}")


def _text(soql: str, position: int) -> tuple[Text, int]:
    letters: list[str] = []
    wildcards: set[int] = set()
    only_like = False
    while position < len(soql):
        letter = soql[position]
        if letter == "'":
            return Text("".join(letters), frozenset(wildcards), only_like), position + 1
        if letter in "\n\r":
            raise Malformed("line breaks not allowed in string literals")
        if letter == "\\":
            follows = soql[position + 1 : position + 2]
            if follows.lower() in _SIMPLE:
                letters.append(_SIMPLE[follows.lower()])
                position += 2
            elif follows == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", soql[position + 2 : position + 6]):
                letters.append(chr(int(soql[position + 2 : position + 6], 16)))
                position += 6
            elif follows and follows in "_%":
                letters.append(follows)
                only_like = True
                position += 2
            else:
                raise Malformed(f"Illegal character sequence '\\{follows}' in string literal")
            continue
        if letter in "%_":
            wildcards.add(len(letters))
        letters.append(letter)
        position += 1
    raise Malformed("a string literal is not closed")


def _like(text: Text, at: int, other: str, position: int) -> bool:
    while at < len(text.value):
        letter = text.value[at].lower()
        if at in text.wildcards and letter == "%":
            return any(_like(text, at + 1, other, start) for start in range(position, len(other) + 1))
        if position >= len(other) or (not (at in text.wildcards and letter == "_") and other[position] != letter):
            return False
        at, position = at + 1, position + 1
    return position == len(other)


class Reader:
    """Reads one query."""

    def __init__(self, soql: str) -> None:
        self._tokens = list(tokens(soql))
        self._at = 0

    def read(self) -> Select:
        """Return the query.

        Raises:
            Malformed: it is none.
        """
        self._word("SELECT")
        fields = [self._name()]
        while self._taken("sign", ","):
            fields.append(self._name())
        self._word("FROM")
        query = Select(fields, self._name())
        if self._is_word("WHERE"):
            query.holds = self._any()
        if self._is_word("ORDER"):
            self._word("BY")
            query.order = [self._sorting()]
            while self._taken("sign", ","):
                query.order.append(self._sorting())
        if self._is_word("LIMIT"):
            query.limit = int(self._next("number"))
        if self._at != len(self._tokens):
            raise Malformed(f"unexpected token: {self._tokens[self._at].value!r}")
        return query

    def _any(self) -> Callable[[Mapping[str, Any]], bool]:
        parts = [self._every()]
        while self._is_word("OR"):
            parts.append(self._every())
        return lambda record: any(part(record) for part in parts)

    def _every(self) -> Callable[[Mapping[str, Any]], bool]:
        parts = [self._one()]
        while self._is_word("AND"):
            parts.append(self._one())
        return lambda record: all(part(record) for part in parts)

    def _one(self) -> Callable[[Mapping[str, Any]], bool]:
        if self._is_word("NOT"):
            inner = self._one()
            return lambda record: not inner(record)
        if self._taken("sign", "("):
            inner = self._any()
            self._next("sign", ")")
            return inner
        name = self._name()
        if self._is_word("LIKE"):
            text: Text = self._next("text")
            return lambda record: text.matches(str(_value(record, name) or ""))
        if self._is_word("IN"):
            self._next("sign", "(")
            values = [self._literal()]
            while self._taken("sign", ","):
                values.append(self._literal())
            self._next("sign", ")")
            return lambda record: _value(record, name) in values
        sign = self._next("sign")
        if sign not in _COMPARED:
            raise Malformed(f"unexpected token: {sign!r}")
        value = self._literal()
        return lambda record: _compare(sign, _value(record, name), value)

    def _literal(self) -> Any:
        if self._at >= len(self._tokens):
            raise Malformed("unexpected end of the query")
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "text":
            if token.value.only_like:
                raise Malformed("Invalid string literal: '\\_' and '\\%' stand after LIKE alone")
            return token.value.value
        if token.kind == "number":
            return float(token.value)
        if token.kind == "word" and token.value.lower() in {"true", "false", "null"}:
            return {"true": True, "false": False, "null": None}[token.value.lower()]
        if token.kind == "moment":
            return token.value
        raise Malformed(f"unexpected token: {token.value!r}")

    def _sorting(self) -> tuple[str, bool]:
        name = self._name()
        if self._is_word("DESC"):
            return name, True
        self._is_word("ASC")
        return name, False

    def _name(self) -> str:
        return str(self._next("word"))

    def _next(self, kind: str, value: str | None = None) -> Any:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None or token.kind != kind or (value is not None and token.value != value):
            raise Malformed(f"unexpected token: {token.value if token else '<EOF>'!r}")
        self._at += 1
        return token.value

    def _taken(self, kind: str, value: str) -> bool:
        there = self._at < len(self._tokens) and self._tokens[self._at] == Token(kind, value)
        self._at += there
        return there

    def _is_word(self, word: str) -> bool:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        there = token is not None and token.kind == "word" and token.value.upper() == word
        self._at += there
        return there

    def _word(self, word: str) -> None:
        if not self._is_word(word):
            raise Malformed(f"expecting {word}")


def _value(record: Mapping[str, Any], name: str) -> Any:
    value: Any = record
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _compare(sign: str, left: Any, right: Any) -> bool:
    if sign in {"=", "!="}:
        alike = (
            left.lower() == right.lower() if isinstance(left, str) and isinstance(right, str) else left == right
        )
        return bool(alike) is (sign == "=")
    if left is None or isinstance(left, str) is not isinstance(right, str):
        return False
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign])
