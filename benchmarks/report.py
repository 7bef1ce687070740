"""docs/performance.md: one section a benchmark, each with its machine and date.

A section stands between its mark and the next one, so that a run replaces its own and leaves the others as
they are. Knows text, never what is measured.
"""

import re
from collections.abc import Sequence

INTRODUCTION = """\
# Performance

Written by `make bench`; `make bench SECTIONS="…"` measures only those and leaves the others as they are. Each
table compares its arms in one run, turn by turn.
"""
_MARK = re.compile(r"^<!-- section: ([a-z0-9-]+) -->\n", re.MULTILINE)


def with_section(report: str, name: str, lines: Sequence[str], order: Sequence[str]) -> str:
    """Return the report with one section put in or replaced.

    Args:
        report: the report until now; may be empty.
        name: of the section.
        lines: its Markdown, heading included.
        order: the names of all sections; one that is not in it goes out of the report.
    """
    texts = sections_of(report) | {name: "\n".join(lines).strip() + "\n"}
    parts = [f"<!-- section: {one} -->\n{texts[one]}" for one in order if one in texts]
    return "\n".join([INTRODUCTION, *parts])


def sections_of(report: str) -> dict[str, str]:
    """Return the sections of a report by name."""
    _, *pieces = _MARK.split(report)
    return {name: text.strip() + "\n" for name, text in zip(pieces[::2], pieces[1::2], strict=True)}
