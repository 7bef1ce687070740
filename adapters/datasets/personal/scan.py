"""The near side of the process that finds personal data: started when it is first asked, ended by `close`.

Keeps no text, and no text stands in what it raises.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from adapters.datasets.personal.policy import Kind
from core.errors import InternalError

_ROOT = Path(__file__).resolve().parents[3]


class Span(NamedTuple):
    """Where in a text something personal stands, and of which kind."""

    start: int
    end: int
    kind: Kind


class Scanner:
    """Finds personal data of some kinds. Not safe for threads.

    Args:
        kinds: what to look for.
    """

    def __init__(self, kinds: Sequence[Kind] = tuple(Kind)) -> None:
        self._kinds = tuple(kinds)
        self._process: subprocess.Popen[str] | None = None
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as this

    def __enter__(self) -> "Scanner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the spans in each text.

        Raises:
            InternalError: the process broke off.
        """
        if not texts or not self._kinds:
            return [[] for _ in texts]
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - a pipe
        assert process.stdout is not None  # noqa: S101 - a pipe
        try:
            process.stdin.write(json.dumps(list(texts)) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer.endswith("\n"):
            raise self._broken(process)
        return [[Span(start, end, Kind(kind)) for start, end, kind in spans] for spans in json.loads(answer)]

    def close(self) -> None:
        """End the process, which has nothing to lose."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue
            self._process.wait()
            self._process = None
        self._errors.close()

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            module = "adapters.datasets.personal.worker"
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(os.getpid()), *self._kinds],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                encoding="utf-8",
            )
        return self._process

    def _broken(self, process: "subprocess.Popen[str]") -> InternalError:
        process.kill()
        process.wait()
        self._errors.seek(0)
        last = (self._errors.read().strip().splitlines() or ["it said nothing"])[-1]
        return InternalError(
            f"The process that looks for personal data broke off with status {process.returncode} ({last[:200]}). "
            "Run `make install`, then try again.",
            code="personal_data_scan_failed",
        )
