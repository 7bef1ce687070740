"""Reading the ledger: sums by key, persona and day. Blocking; knows no HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from sqlalchemy import func, select

from core.database import Database
from core.ids import PrincipalId
from server.keys.key import principal_id
from server.usage import tables
from server.usage.counts import Counts

ANONYMOUS_NAME = "anonymous"
_COLUMNS = tuple(field.name for field in fields(Counts))


class Group(StrEnum):
    """What usage may be summed by."""

    KEY = "key"
    PERSONA = "persona"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which usage is asked for.

    Attributes:
        groups: what the sums are made by, in this order.
        first: first day, such as `2026-11-01`; `last` is included, too.
        key: name of a key, or `anonymous`.
    """

    groups: Sequence[Group]
    first: str
    last: str
    key: str | None = None
    persona: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One sum and what it is of."""

    of: Mapping[str, str]
    counts: Counts


def report(database: Database, wanted: Wanted) -> tuple[Line, ...]:
    """Return the sums, in the order of their groups."""
    table = tables.usage.c
    columns = {Group.KEY: table.principal, Group.PERSONA: table.persona, Group.DAY: table.day}
    groups = [columns[group] for group in wanted.groups]
    query = select(*groups, *(func.sum(table[name]) for name in _COLUMNS))
    query = query.where(table.day >= wanted.first, table.day <= wanted.last)
    if wanted.key is not None:
        query = query.where(table.principal == _principal(wanted.key))
    if wanted.persona is not None:
        query = query.where(table.persona == wanted.persona)
    with database.read() as connection:
        rows = connection.execute(query.group_by(*groups).order_by(*groups)).all()
    return tuple(_line(wanted.groups, row) for row in rows if row[len(groups)] is not None)


def key_name(principal: str) -> str:
    """Return the name of the key whose holder this is."""
    return principal.removeprefix("key:")


def _principal(key: str) -> PrincipalId:
    return PrincipalId(ANONYMOUS_NAME) if key == ANONYMOUS_NAME else principal_id(key)


def _line(groups: Sequence[Group], row: Sequence[object]) -> Line:
    texts = [str(value) for value in row[: len(groups)]]
    of = {g.value: key_name(text) if g is Group.KEY else text for g, text in zip(groups, texts, strict=True)}
    return Line(of, Counts(*(int(str(value)) for value in row[len(groups) :])))
