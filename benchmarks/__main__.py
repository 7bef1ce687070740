"""`make bench`: run the comparisons, print them, and put them into docs/performance.md."""

import argparse
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from benchmarks import answers, cache, flips, follow_ups, gateway, loads, lora, passage, turns
from benchmarks.machine import describe
from benchmarks.report import with_section
from benchmarks.section import Bench, Section

_REPORT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
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
)
"""In the order of the report."""


def main() -> None:
    """Parse the command line and run."""
    known = {section.name: section for section in SECTIONS}
    parser = argparse.ArgumentParser(prog="benchmarks", description="Run comparisons and write the report.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(known)}; none: all")
    parser.add_argument("--quick", action="store_true", help="a few rounds for a trial; writes nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(known):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    with ExitStack() as stack:
        bench = Bench(stack, quick=arguments.quick)
        for name in arguments.sections or known:
            lines = _measured(known[name], bench)
            print("\n".join(lines), flush=True)
            if not bench.quick:
                report = _REPORT.read_text(encoding="utf-8") if _REPORT.exists() else ""
                _REPORT.write_text(with_section(report, name, lines, tuple(known)), encoding="utf-8")


def _measured(section: Section, bench: Bench) -> list[str]:
    machine, begun = describe(), date.today().isoformat()
    lines = section.measure(bench)
    return [f"## {section.title}", "", f"Taken on {begun}. Machine: {machine}.", "", *lines]


if __name__ == "__main__":
    main()
