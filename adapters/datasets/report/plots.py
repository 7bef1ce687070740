"""Plots as SVG, to stand in a page. Owns leather, which is loaded with the first plot."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import leather

_WIDTH, _HEIGHT, _ROW = 640, 260, 22
_BINS = 16
_MOST_LABELS = 40
_LONGEST_LABEL = 32


def histogram(values: Sequence[int]) -> str:
    """Plot how many values fall into each of equal ranges."""
    low, high = min(values), max(values)
    width = max(1, -(-(high - low + 1) // _BINS))
    counts = [0] * (-(-(high - low + 1) // width))
    for value in values:
        counts[(value - low) // width] += 1
    ranges = [f"{low + place * width}" for place in range(len(counts))]
    return columns(dict(zip(ranges, counts, strict=True)))


def columns(counts: Mapping[str, int]) -> str:
    """Plot a column for each name."""
    import leather

    chart = leather.Chart()
    chart.add_columns(list(counts.items()))
    return _svg(chart, _HEIGHT)


def bars(counts: Mapping[str, int]) -> str:
    """Plot a lying bar for each name, the largest on top; of very many names only the largest."""
    import leather

    largest = sorted(counts.items(), key=lambda item: item[1])[-_MOST_LABELS:]
    chart = leather.Chart()
    chart.add_bars([(count, _short(name)) for name, count in largest])
    return _svg(chart, 80 + _ROW * len(largest))


def lines(series: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Plot a line for each name; a series without points is left out."""
    import leather

    chart = leather.Chart()
    for name, points in series.items():
        if points:
            chart.add_line([(place, value) for place, value in points], name=name)
    return _svg(chart, _HEIGHT)


def _svg(chart: "leather.Chart", height: int) -> str:
    written = io.StringIO()
    chart.to_svg(written, width=_WIDTH, height=height)
    text = written.getvalue()
    return text[text.index("<svg") :]


def _short(name: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in name)
    return plain if len(plain) <= _LONGEST_LABEL else plain[: _LONGEST_LABEL - 1] + "…"
