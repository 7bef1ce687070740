"""`limit`, `order`, `after` and `before` of lists, as a dependency of routes."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import Query

from core.paging import Slice

_Cursor = Annotated[str | None, Query(max_length=64)]


def slice_of(*, most: int = 100, usual: int = 20) -> Callable[..., Awaitable[Slice]]:
    """Return the dependency that reads which part of a list is wanted.

    Args:
        most: items on a page, at most.
        usual: where the request says none.
    """

    async def read(
        limit: Annotated[int, Query(ge=1, le=most)] = usual,
        order: Literal["asc", "desc"] = "desc",
        after: _Cursor = None,
        before: _Cursor = None,
    ) -> Slice:
        return Slice(limit, order, after, before)

    return read
