"""Rows that were read are not read again, as long as their store is the same."""

from collections.abc import Collection

from retrieval.row_cache import RowCache


class Table:
    """Rows from 1 to 9, and which of them were read."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []

    def __call__(self, rows: Collection[int]) -> dict[int, str]:
        self.reads.append(sorted(rows))
        return {row: f"row {row}" for row in rows if 1 <= row <= 9}


def test_what_is_held_is_not_read_again() -> None:
    cache, table = RowCache[str](10), Table()
    assert cache.get("v1", [1, 2], table) == {1: "row 1", 2: "row 2"}
    assert cache.get("v1", [2, 3], table) == {2: "row 2", 3: "row 3"}
    assert cache.get("v1", [1, 2, 3], table) == {1: "row 1", 2: "row 2", 3: "row 3"}
    assert table.reads == [[1, 2], [3]]


def test_another_version_is_read_anew() -> None:
    cache, table = RowCache[str](10), Table()
    cache.get("v1", [1], table)
    cache.get("v2", [1], table)
    assert table.reads == [[1], [1]]


def test_what_does_not_exist_is_looked_for_again() -> None:
    cache, table = RowCache[str](10), Table()
    assert cache.get("v1", [99], table) == {}
    assert cache.get("v1", [99], table) == {}
    assert table.reads == [[99], [99]]


def test_what_was_used_longest_ago_goes_first() -> None:
    cache, table = RowCache[str](3), Table()
    cache.get("v1", [1, 2, 3], table)
    cache.get("v1", [1], table)
    cache.get("v1", [4], table)
    table.reads.clear()
    cache.get("v1", [1, 3, 4], table)
    assert table.reads == []
    cache.get("v1", [2], table)
    assert table.reads == [[2]]
