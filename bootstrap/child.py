"""Runs a noisy program quietly: its output goes to a log, its lines to a listener. Knows no program."""

import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

Listener = Callable[[str], None]
Ticker = Callable[[], None]

_TICK_SECONDS = 0.5


def ignore(_line: str) -> None:
    """Listen to nothing."""


def nothing() -> None:
    """Do nothing on a tick."""


def run(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    on_line: Listener = ignore,
    on_tick: Ticker = nothing,
) -> tuple[int, list[str]]:
    """Run `command` to its end and return its exit code and its output lines.

    `on_line` gets each line as it comes (a carriage return ends a line too), `on_tick` is called
    twice a second, so that a silent program still shows life. The child dies with us.
    """
    lines: list[str] = []
    with log.open("a", encoding="utf-8") as record:
        record.write(f"$ {' '.join(command)}\n")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        try:
            for line in _lines(process, on_tick):
                record.write(line + "\n")
                lines.append(line)
                on_line(line)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
    return process.returncode, lines


def _lines(process: "subprocess.Popen[str]", on_tick: Ticker) -> Iterator[str]:
    arrived: queue.Queue[str | None] = queue.Queue()
    stream = process.stdout
    if stream is None:
        raise ValueError("the process was started without a pipe for its output")
    threading.Thread(target=_pump, args=(stream, arrived), daemon=True).start()
    while True:
        on_tick()
        try:
            line = arrived.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            continue
        if line is None:
            process.wait()
            stream.close()
            return
        yield line


def _pump(stream: IO[str], arrived: "queue.Queue[str | None]") -> None:
    # Universal newlines turn a progress bar's carriage returns into lines of their own.
    for line in stream:
        arrived.put(line.rstrip("\n"))
    arrived.put(None)
