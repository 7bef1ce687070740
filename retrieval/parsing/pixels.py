"""How large a page is when its text is recognised. Plain numbers; knows no library."""

import math

MOST_PIXELS = 2_200_000
"""Of a page: A4 at 150 dots an inch. With 200, finding the lines takes twice as long."""

_LONGEST_SIDE = 2_960
_SLENDEREST = 4


def scale(width: float, height: float, most: float = 1.0) -> float:
    """Return by how much a page of this size is enlarged, `most` at most, or reduced to fit the bounds."""
    return min(most, math.sqrt(MOST_PIXELS / (width * height)), _LONGEST_SIDE / max(width, height))


def fitted(width: int, height: int) -> tuple[int, int]:
    """Return the size of a picture when it is reduced to fit the bounds."""
    factor = scale(width, height)
    return max(1, int(width * factor)), max(1, int(height * factor))


def padded(width: int, height: int) -> tuple[int, int]:
    """Return the size with margins that make a page of a slender strip, which would be enlarged without bound."""
    least = math.ceil(max(width, height) / _SLENDEREST)
    return max(width, least), max(height, least)
