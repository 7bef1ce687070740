"""Pages of rows that have a rising number, by OpenAI's `limit`, `order`, `after` and `before`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import Column, Connection, Row, Select

from core.errors import NotFound

Item = TypeVar("Item")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list is wanted; `after` and `before` are ids, outside of the part."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list, and whether it goes on."""

    items: tuple[Item, ...]
    more: bool

    def of(self, change: Callable[[Item], Other]) -> "Page[Other]":
        """Return the page with each item changed."""
        return Page(tuple(change(item) for item in self.items), self.more)


def page_of(
    connection: Connection,
    query: Select[Any],  # whatever columns the caller wants
    number: Column[int],
    name: Column[str],
    wanted: Slice,
) -> Page[Row[Any]]:
    """Return a part of what `query` selects.

    Args:
        connection: an open one.
        query: all rows of the list.
        number: the column that rises with each new row.
        name: the column that `after` and `before` name.
        wanted: which part.

    Raises:
        NotFound: `after` or `before` is none of the rows.
    """
    rising = wanted.order == "asc"
    part = query
    for word, cursor in (("after", wanted.after), ("before", wanted.before)):
        if cursor is None:
            continue
        place = connection.execute(query.with_only_columns(number).where(name == cursor)).scalar()
        if place is None:
            raise NotFound(f"The list has no {cursor!r} to begin at.", code="cursor_not_found", param=word)
        part = part.where(number > place if rising == (word == "after") else number < place)
    # Before a cursor and without one to begin after: the page that ends there, not the list's first.
    backwards = wanted.before is not None and wanted.after is None
    order = number.asc() if rising != backwards else number.desc()
    rows = connection.execute(part.order_by(order).limit(wanted.limit + 1)).all()
    taken = rows[: wanted.limit]
    return Page(tuple(reversed(taken)) if backwards else tuple(taken), len(rows) > wanted.limit)
