"""One comparison: its place in the report, what it writes there, and what it may work with."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import PERFORMANCE, Report
from benchmarks.served import Served, serving


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the report.

    Attributes:
        name: what the command line calls it.
        title: its heading.
        measure: runs the comparison and returns the lines below the heading, in Markdown.
        report: the file that it stands in.
    """

    name: str
    title: str
    measure: Callable[["Bench"], Sequence[str]]
    report: Report = PERFORMANCE


class Bench:
    """What the sections of one run share.

    Attributes:
        quick: whether this is a trial: few rounds, and nothing is written.
        data: the folder of sets with judgements or to learn from, if one was named.
    """

    def __init__(self, stack: ExitStack, *, quick: bool, data: Path | None = None) -> None:
        self.quick = quick
        self.data = data
        self._stack = stack
        self._served: Served | None = None

    def sets(self) -> Path:
        """Return that folder; end the program where none was named."""
        if self.data is None:
            raise SystemExit(
                "This section needs `--data FOLDER`: a folder of sets with judgements, or to learn from."
            )
        return self.data

    def served(self) -> Served:
        """Return the running server on the real engine; the first section that asks starts it."""
        if self._served is None:
            self._served = self._stack.enter_context(serving())
        return self._served
