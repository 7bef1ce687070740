"""The true trainer in children that are forked from a process which has loaded torch once.

A child is a process like any other: it writes its events to a pipe and can be killed at one of them.
"""

import json
import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection

from adapters.training.__main__ import main
from adapters.training.launch import TRAINER, TrainingOrder
from adapters.training.progress import Event, parse_event

_PATIENCE = 100.0


class Runs:
    """Runs trainings one after the other."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["adapters.training.session", "tests.adapters.training_runs"])

    def run(self, order: TrainingOrder, *, killed_at: str | None = None) -> list[Event]:
        """Run a training; return what it told.

        Args:
            order: what to train.
            killed_at: part of the line at which the child kills itself with -9, before the line is written.
        """
        ours, theirs = self._context.Pipe(duplex=False)
        options = order.command()[len(TRAINER) :]
        child = self._context.Process(target=_child, args=(options, theirs, killed_at))
        child.start()
        theirs.close()
        events = []
        with os.fdopen(os.dup(ours.fileno()), encoding="utf-8") as lines:
            ours.close()
            for line in lines:
                if (event := parse_event(line)) is not None:
                    events.append(event)
        child.join(_PATIENCE)
        assert child.exitcode == (0 if killed_at is None else -signal.SIGKILL)
        return events


class _Lines:
    """Standard output of a child, which ends at one of its lines."""

    def __init__(self, pipe: Connection, killed_at: str | None) -> None:
        self._file = os.fdopen(os.dup(pipe.fileno()), "w", encoding="utf-8")
        self._killed_at = killed_at

    def write(self, text: str) -> None:
        if self._killed_at is not None and self._killed_at in text:
            self._file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self._file.write(text)

    def flush(self) -> None:
        self._file.flush()


def _child(options: list[str], pipe: Connection, killed_at: str | None) -> None:
    sys.stdout = _Lines(pipe, killed_at)
    pipe.close()
    sys.exit(main(options))


def step(number: int) -> str:
    """Return the beginning of the line that tells of a step."""
    return json.dumps({"event": "step", "step": number})[:-1] + ","
