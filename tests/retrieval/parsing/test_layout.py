"""Lines are read in the order in which a person reads them, whichever way up the page lies."""

import math

import pytest

from retrieval.parsing.layout import Found, Point, page_text

LINE = 30.0


def line(text: str, left: float, top: float, width: float | None = None) -> Found:
    right, bottom = left + (width or 16.0 * len(text)), top + LINE
    return Found(text, ((left, top), (right, top), (right, bottom), (left, bottom)))


def lines(texts: list[str], left: float, top: float) -> list[Found]:
    return [line(text, left, top + 40 * number) for number, text in enumerate(texts)]


def moved(found: Found, degrees: int, tilt: float = 0.0) -> Found:
    """Return the line as it lies in a picture that was turned clockwise, and as recognition names its corners."""
    angle = math.radians(degrees + tilt)

    def turn(corner: Point) -> Point:
        x, y = corner
        return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)

    corners = [turn(corner) for corner in found.corners]
    first = -(degrees // 90) % 4
    a, b, c, d = corners[first:] + corners[:first]
    return Found(found.text, (a, b, c, d), turned=degrees in (180, 270))


PAGE = [
    line("Returns", 400, 0),
    *lines(["one and some words", "two and some words", "three and some words"], 0, 80),
]
COLUMNS = [
    line("A heading that goes over the whole of this page", 0, 0),
    *lines(["the first column begins", "and it goes on a little", "until it is at its end"], 0, 100),
    *lines(["then the second column", "is read from its top on", "down to its very bottom"], 500, 105),
    line("A line below both that spans the page again, all of it", 0, 300),
]


def test_rows_are_read_from_top_to_bottom_and_from_left_to_right() -> None:
    found = [line("b", 100, 3), line("Name:", 0, 0), line("Ada", 200, 52), line("For:", 0, 50)]

    assert page_text(found) == "Name: b\nFor: Ada"


def test_columns_are_read_one_after_the_other_between_what_spans_them() -> None:
    assert page_text(COLUMNS[::-1]).splitlines() == [found.text for found in COLUMNS]


def test_cells_of_a_table_stay_in_their_rows() -> None:
    table = [*lines(["Estonia", "Latvia", "Norway"], 0, 0), *lines(["21", "14", "7"], 500, 0)]

    assert page_text(table) == "Estonia 21\nLatvia 14\nNorway 7"


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("tilt", [-3, 0, 3])
def test_a_page_that_lies_askew_is_read_in_the_same_order(degrees: int, tilt: float) -> None:
    for page in (PAGE, COLUMNS):
        found = [moved(line, degrees, tilt) for line in page]

        assert page_text(found) == page_text(page)


def test_a_word_that_is_broken_at_the_end_of_a_line_is_put_together() -> None:
    assert page_text(lines(["The hand-", "book of Müll-", "über 2-", "3 by A-", "B"], 0, 0)) == (
        "The handbook of Müllüber 2-\n3 by A-\nB"
    )


def test_a_page_without_lines_has_no_text() -> None:
    assert page_text([]) == ""
