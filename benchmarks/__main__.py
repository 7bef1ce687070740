"""`make bench`: run the comparisons, print them, and put them into the reports under docs/."""

import argparse
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from benchmarks import (
    actions,
    answers,
    cache,
    embedding,
    flips,
    follow_ups,
    gateway,
    intake,
    loads,
    lora,
    passage,
    quality,
    turns,
    vectors,
    words,
)
from benchmarks.calling import comparison as calling
from benchmarks.lifecycle import comparison as lifecycle
from benchmarks.lifecycle import sharing
from benchmarks.machine import describe
from benchmarks.report import PERFORMANCE, Report, with_section
from benchmarks.section import Bench, Section

_DOCS = Path(__file__).resolve().parents[1] / "docs"
SECTIONS: tuple[Section, ...] = (
    gateway.SECTION,
    passage.SECTION,
    turns.SECTION,
    cache.SECTION,
    loads.SECTION,
    flips.SECTION,
    *lora.SECTIONS,
    follow_ups.SECTION,
    answers.SECTION,
    actions.SECTION,
    calling.SECTION,
    quality.SECTION,
    vectors.SECTION,
    words.SECTION,
    embedding.SECTION,
    intake.SECTION,
    *lifecycle.SECTIONS,
    sharing.SECTION,
)
"""In the order of the reports."""


def main() -> None:
    """Parse the command line and run."""
    known = {section.name: section for section in SECTIONS}
    parser = argparse.ArgumentParser(prog="benchmarks", description="Run comparisons and write the report.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(known)}; none: all")
    parser.add_argument("--quick", action="store_true", help="a few rounds for a trial; writes nothing")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="sets with judgements or to learn from")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(known):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    with ExitStack() as stack:
        bench = Bench(stack, quick=arguments.quick, data=arguments.data)
        for name in arguments.sections or _possible(bench):
            lines = _measured(known[name], bench)
            print("\n".join(lines), flush=True)
            if not bench.quick:
                _write(known[name].report, name, lines)


def _possible(bench: Bench) -> list[str]:
    """Return the sections that need no data, and those that do where there is some."""
    return [section.name for section in SECTIONS if bench.data or section.report == PERFORMANCE]


def _write(report: Report, name: str, lines: list[str]) -> None:
    path = _DOCS / report.name
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    order = [section.name for section in SECTIONS if section.report == report]
    path.write_text(with_section(before, name, lines, order, report.introduction), encoding="utf-8")


def _measured(section: Section, bench: Bench) -> list[str]:
    machine, begun = describe(), date.today().isoformat()
    lines = section.measure(bench)
    return [f"## {section.title}", "", f"Taken on {begun}. Machine: {machine}.", "", *lines]


if __name__ == "__main__":
    main()
