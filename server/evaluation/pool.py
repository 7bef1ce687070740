"""Doing many things, a few at a time."""

from collections.abc import Awaitable, Callable, Iterable, Iterator

import anyio

from core.errors import RepertoryError


async def each(works: Iterable[Callable[[], Awaitable[None]]], at_once: int) -> None:
    """Do all of it, so many at a time; the first failure ends it once what is under way is through.

    Raises:
        RepertoryError: the first failure.
    """
    left: Iterator[Callable[[], Awaitable[None]]] = iter(works)
    failures: list[RepertoryError] = []

    async def one_after_the_other() -> None:
        for work in left:
            if failures:
                return
            try:
                await work()
            except RepertoryError as error:  # raised outside the task group, which would wrap it
                failures.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(at_once):
            group.start_soon(one_after_the_other)
    if failures:
        raise failures[0]
