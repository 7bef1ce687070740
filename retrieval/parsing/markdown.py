"""Markdown from documents that are none: headings, rows of tables, and text that must not pass for either."""

import re
from collections.abc import Iterable, Iterator, Sequence

_POSES = re.compile(r"^( {0,3})(?=#{1,6}[ \t]|`{3}|~{3})", re.MULTILINE)
_CELL_BREAK = " | "


def heading(level: int, words: str) -> str:
    """Return a heading of level 1 to 6; empty if there are no words."""
    line = " ".join(words.split())
    return f"{'#' * min(max(level, 1), 6)} {line}" if line else ""


def escaped(text: str) -> str:
    """Return text of which no line passes for a heading or a code fence."""
    return _POSES.sub(r"\1\\", text)


def rows(table: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return a table row by row, each readable alone: every cell carries its column's name.

    The first row with more than one cell names the columns where it can: no cell is empty before the last that is
    filled, and none is a number. It is written, too, so that nothing is lost where it was none.
    """
    names: list[str] | None = None
    for row in table:
        cells = [" ".join(cell.split()) for cell in row]
        if names is None:
            if sum(map(bool, cells)) > 1:  # else it is empty, or a caption
                names = _names(cells)
            words = [cell for cell in cells if cell]
            if words:
                yield escaped(_CELL_BREAK.join(words))
        elif any(cells):
            yield escaped(_CELL_BREAK.join(_named(names, cells)))


def _names(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    named = all(cells) and not any(cell.replace(".", "", 1).isdigit() for cell in cells)
    return cells if named else []


def _named(names: list[str], cells: list[str]) -> Iterator[str]:
    for number, cell in enumerate(cells):
        if cell:
            yield f"{names[number]}: {cell}" if number < len(names) else cell
