"""What the person at the terminal sees of a long step. Knows nothing of what the step does."""

import sys
import time
from types import TracebackType
from typing import TextIO

_QUIET_SECONDS = 15.0


class Step:
    """One long step: says what it does, how far it is, and how long it took.

    On a terminal the line is rewritten in place; in a log a line is added at most every 15 seconds.
    """

    def __init__(self, label: str, out: TextIO | None = None) -> None:
        self._label = label
        self._out = out or sys.stdout
        self._started = self._said = time.monotonic()
        self._terminal = self._out.isatty()

    def __enter__(self) -> "Step":
        self._write(f"{self._label} …", final=False)
        return self

    def at(self, detail: str) -> None:
        """Show how far the step is, such as `12/229 packages`."""
        now = time.monotonic()
        if self._terminal or now - self._said >= _QUIET_SECONDS:
            self._said = now
            self._write(f"{self._label}: {detail} ({now - self._started:.0f} s)", final=False)

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        seconds = time.monotonic() - self._started
        ending = f"done in {seconds:.0f} s" if kind is None else f"stopped after {seconds:.0f} s"
        self._write(f"{self._label}: {ending}", final=True)

    def _write(self, text: str, *, final: bool) -> None:
        if self._terminal:
            self._out.write(f"\r\033[K{text[:110]}" + ("\n" if final else ""))
        else:
            self._out.write(text + "\n")
        self._out.flush()
