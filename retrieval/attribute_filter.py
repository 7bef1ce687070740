"""Filters over the attributes of files: OpenAI's language, turned into a condition of SQL.

Values of different kinds are never equal. A file without the key passes `ne` and `nin` alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, and_, false, not_, or_, select

from retrieval.tables import attributes, entries
from retrieval.vector_store import Value

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """An attribute against a value; `in` and `nin` take several values, the others one."""

    operator: Operator
    key: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Compound:
    """All of several filters (`and`), or one of them (`or`)."""

    operator: Literal["and", "or"]
    filters: Sequence["Filter"]


Filter = Comparison | Compound


def condition(wanted: Filter) -> ColumnElement[bool]:
    """Return the condition that a row of a store's files meets if its attributes pass."""
    if isinstance(wanted, Compound):
        parts = [condition(one) for one in wanted.filters]
        return and_(*parts) if wanted.operator == "and" else or_(*parts)
    if wanted.operator in ("ne", "nin"):
        return not_(_has(wanted.key, or_(false(), *(_same(value) for value in wanted.values))))
    if wanted.operator in ("eq", "in"):
        return _has(wanted.key, or_(false(), *(_same(value) for value in wanted.values)))
    return _has(wanted.key, _ordered(wanted.operator, wanted.values[0]))


def _has(key: str, value: ColumnElement[bool]) -> ColumnElement[bool]:
    return (
        select(attributes.c.key)
        .where(attributes.c.entry == entries.c.seq, attributes.c.key == key, value)
        .exists()
    )


def _same(value: Value) -> ColumnElement[bool]:
    if isinstance(value, bool):
        return attributes.c.flag == value
    return attributes.c.text == value if isinstance(value, str) else attributes.c.number == value


def _ordered(operator: str, value: Value) -> ColumnElement[bool]:
    column = attributes.c.text if isinstance(value, str) else attributes.c.number
    compared: dict[str, ColumnElement[bool]] = {
        "gt": column > value,
        "gte": column >= value,
        "lt": column < value,
        "lte": column <= value,
    }
    return compared[operator]
