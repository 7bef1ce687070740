"""The reports, files under docs/: one section a benchmark, each with its machine and date.

A section stands between its mark and the next one, so that a run replaces its own and leaves the others as
they are. Knows text, never what is measured.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """A file of sections.

    Attributes:
        name: of the file under docs/.
        introduction: what stands above the sections; None: what stands there already.
    """

    name: str
    introduction: str | None


_PERFORMANCE = """\
# Performance

Written by `make bench`; `make bench SECTIONS="…"` measures only those and leaves the others as they are. Each
table compares its arms in one run, turn by turn.
"""
_RETRIEVAL = """\
# How good and how fast retrieval is

Written by `make bench SECTIONS="quality vectors words embedding intake --data FOLDER"` from a folder of sets with
judgements, which is not part of this repository; each section alone by its name.
"""
PERFORMANCE = Report("performance.md", _PERFORMANCE)
RETRIEVAL = Report("retrieval.md", _RETRIEVAL)
FINE_TUNING = Report("fine-tuning.md", None)
_MARK = re.compile(r"^<!-- section: ([a-z0-9-]+) -->\n", re.MULTILINE)


def verdict(reached: bool) -> str:
    """Say of a goal whether it was reached."""
    return "reached" if reached else "**missed**"


def with_section(
    report: str, name: str, lines: Sequence[str], order: Sequence[str], introduction: str | None = _PERFORMANCE
) -> str:
    """Return the report with one section put in or replaced.

    Args:
        report: the report until now; may be empty.
        name: of the section.
        lines: its Markdown, heading included.
        order: the names of all sections; one that is not in it goes out of the report.
        introduction: what stands above the sections; None: what stands there already.
    """
    if introduction is None:
        introduction = _MARK.split(report)[0].rstrip("\n") + "\n"
    texts = sections_of(report) | {name: "\n".join(lines).strip() + "\n"}
    parts = [f"<!-- section: {one} -->\n{texts[one]}" for one in order if one in texts]
    return "\n".join([introduction, *parts])


def sections_of(report: str) -> dict[str, str]:
    """Return the sections of a report by name."""
    _, *pieces = _MARK.split(report)
    return {name: text.strip() + "\n" for name, text in zip(pieces[::2], pieces[1::2], strict=True)}
