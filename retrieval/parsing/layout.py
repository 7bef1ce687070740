"""In which order the lines of a page are read. Plain geometry; knows neither pictures nor recognition."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

Point = tuple[float, float]
Corners = tuple[Point, Point, Point, Point]

_TALL = 1.5
"""Height over width from which a box holds a line that runs down or up the picture."""

_PROSE_LINES = 3
_PROSE_WIDTH = 8
"""Width over height from which lines side by side are columns of text, and not the cells of a table."""

_BROKEN = re.compile(r"(?<=[^\W\d_])-\n(?=[^\W\d_A-Z])")


@dataclass(frozen=True, slots=True)
class Found:
    """A line that was recognised.

    Attributes:
        corners: of its box in the picture, clockwise from the upper left; y grows downwards.
        turned: whether it had to be turned by 180 degrees, after a quarter turn to the left if its box is tall.
    """

    text: str
    corners: Corners
    turned: bool = False

    @property
    def tall(self) -> bool:
        """Whether the line runs down or up the picture."""
        return is_tall(self.corners)


@dataclass(frozen=True, slots=True)
class _Box:
    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def is_tall(box: Corners) -> bool:
    """Tell whether the line in this box runs down or up the picture."""
    upper_left, upper_right, _, lower_left = box
    return math.dist(upper_left, lower_left) >= _TALL * math.dist(upper_left, upper_right)


def length(box: Corners) -> float:
    """Return how long the line in this box is."""
    upper_left, upper_right, _, lower_left = box
    return max(math.dist(upper_left, upper_right), math.dist(upper_left, lower_left))


def page_text(found: Sequence[Found]) -> str:
    """Return the text of a page: column by column, row by row, whichever way up the page lies.

    Columns are where lines of prose stand side by side; what stands beside each other otherwise (a form, a table)
    is one line. A word that is broken at the end of a line is put together.
    """
    if not found:
        return ""
    rows = (" ".join(box.text for box in row) for row in _flow(_upright(found)))
    return _BROKEN.sub("", "\n".join(rows))


def _upright(found: Sequence[Found]) -> list[_Box]:
    tall = _most(found, lambda line: line.tall)
    alike = [line for line in found if line.tall == tall]
    turned = _most(alike, lambda line: line.turned)
    placed = [(line, [_turned(corner, tall=tall, turned=turned) for corner in line.corners]) for line in found]
    slope = median(_slope(corners) for line, corners in placed if line.tall == tall)
    return [_box(line.text, [_rotated(corner, -slope) for corner in corners]) for line, corners in placed]


def _most(found: Iterable[Found], holds: Callable[[Found], bool]) -> bool:
    """Tell whether something holds for most of the text."""
    return sum(len(line.text) * (1 if holds(line) else -1) for line in found) > 0


def _turned(corner: Point, *, tall: bool, turned: bool) -> Point:
    x, y = corner
    if tall:
        x, y = y, -x
    return (-x, -y) if turned else (x, y)


def _slope(corners: Sequence[Point]) -> float:
    """Return the angle of the longer sides."""
    a, b, c, _ = corners
    start, end = (a, b) if math.dist(a, b) >= math.dist(b, c) else (b, c)
    if start[0] > end[0]:
        start, end = end, start
    return math.atan2(end[1] - start[1], end[0] - start[0])


def _rotated(corner: Point, angle: float) -> Point:
    x, y = corner
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def _box(text: str, corners: Sequence[Point]) -> _Box:
    xs, ys = zip(*corners, strict=True)
    return _Box(text, min(xs), min(ys), max(xs), max(ys))


def _flow(boxes: Sequence[_Box]) -> Iterator[list[_Box]]:
    """Yield rows in reading order; what spans two columns is read between what is above and below it."""
    gutter = _gutter(boxes)
    if gutter is None:
        yield from _rows(boxes)
        return
    left, right, spanning = _parted(boxes, gutter)
    above = -math.inf
    for row in [*_rows(spanning), None]:
        below = row[0].middle if row else math.inf
        yield from _flow([box for box in left if above <= box.middle < below])
        yield from _flow([box for box in right if above <= box.middle < below])
        if row:
            yield row
        above = below


def _gutter(boxes: Sequence[_Box]) -> float | None:
    """Return where the right one of two columns begins; None if there is only one."""
    best: tuple[int, float] | None = None
    for x in sorted({round(box.left) - 1.0 for box in boxes}):
        left, right, spanning = _parted(boxes, x)
        if _is_prose(left) and _is_prose(right) and _beside(left, right) and (not best or len(spanning) < best[0]):
            best = len(spanning), x
    return best[1] if best else None


def _parted(boxes: Sequence[_Box], x: float) -> tuple[list[_Box], list[_Box], list[_Box]]:
    """Return what stands before a gutter, behind it, and across; a box may be half its height too wide."""
    left, right, across = [], [], []
    for box in boxes:
        if box.left >= x - box.height / 2:
            right.append(box)
        elif box.right <= x + box.height / 2:
            left.append(box)
        else:
            across.append(box)
    return left, right, across


def _is_prose(boxes: Sequence[_Box]) -> bool:
    return len(boxes) >= _PROSE_LINES and median(box.width / max(box.height, 1) for box in boxes) >= _PROSE_WIDTH


def _beside(left: Sequence[_Box], right: Sequence[_Box]) -> bool:
    """Tell whether two columns stand side by side for at least half of the shorter one."""
    tops = [min(box.top for box in side) for side in (left, right)]
    bottoms = [max(box.bottom for box in side) for side in (left, right)]
    shorter = min(bottom - top for top, bottom in zip(tops, bottoms, strict=True))
    return min(bottoms) - max(tops) >= shorter / 2


def _rows(boxes: Iterable[_Box]) -> list[list[_Box]]:
    rows: list[list[_Box]] = []
    for box in sorted(boxes, key=lambda box: box.middle):
        if rows and box.middle - rows[-1][0].middle < min(box.height, rows[-1][0].height) / 2:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda box: box.left) for row in rows]
