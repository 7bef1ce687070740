"""Runs the process that reads one file, bounds it, and puts its end into words. Imports no parser.

One process a file, not a pool: the kernel's bounds are then the file's own, nothing of a hostile file is left for
the next one, and a start costs about a fifth of a second, as much as embedding a few passages of what comes out.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import Unavailable
from retrieval.parsing.formats import Format
from retrieval.parsing.limits import NO_RECOGNITION, OUT_OF_MEMORY, Limits
from retrieval.parsing.refusal import FileRefusedError

_BYTES_OF_A_CHARACTER = 6  # at most, in the worker's JSON
_BYTES_OF_THE_REST = 2_000_000
_END_SECONDS = 10
_WORKER = "worker"
_SCANNER = "scanner"
_REPOSITORY = Path(__file__).resolve().parents[2]
# No variable of ours, so no secret. Numpy would reserve memory for threads, and malloc for each that there is.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
# Recognition takes and gives back some 10 MB thousands of times, which the kernel would clear each time.
_KEPT = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296"}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended.

    Attributes:
        said: what it wrote until then.
        refusal: what brought it to its end before its time, in words for the file's owner.
        late: whether that was the time from start to end.
    """

    said: bytes
    refusal: FileRefusedError | None = None
    late: bool = False


class WorkerProcess:
    """Starts a worker for each file, one at a time. Safe for many threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()

    @property
    def pid(self) -> int | None:
        """Process id of the worker, while one runs."""
        process = self._process
        return process.pid if process else None

    def ask(self, content: bytes, kind: Format) -> bytes:
        """Return what the worker says of a file.

        Raises:
            FileRefusedError: it went beyond a bound, crashed, or was killed.
            Unavailable: it is closed, or no process can be started.
        """
        ending = self._run(_WORKER, content, [kind.value, self._limits.to_json()], self._limits)
        if ending.refusal is not None:
            raise ending.refusal
        return ending.said

    def scan(self, content: bytes, kind: Format, pages: Sequence[int]) -> Ending:
        """Return what the scanner reads from pages that are pictures, also where it came to an early end.

        Raises:
            Unavailable: it is closed, or no process can be started.
        """
        limits = self._limits.for_scan(len(pages))
        return self._run(_SCANNER, content, [kind.value, limits.to_json(), json.dumps(list(pages))], limits)

    def close(self) -> None:
        """End the worker that runs, and start no other."""
        self._closing.set()
        if (process := self._process) is not None:
            process.kill()

    def _run(self, program: str, content: bytes, arguments: Sequence[str], limits: Limits) -> Ending:
        with self._turn:
            if self._closing.is_set():
                raise _closed()
            self._process = process = _started(program, content, arguments)
            try:
                if self._closing.is_set():  # `close` came before there was anything to kill
                    process.kill()
                ending = _collected(process, limits)
                code = process.wait(_END_SECONDS) if ending.refusal is None else 0
            except subprocess.TimeoutExpired as error:  # it has closed its output, but goes on
                raise FileRefusedError("Its parser does not end. Remove the file.") from error
            finally:
                process.kill()
                process.wait()
                process.stdout.close()  # type: ignore[union-attr]  # it is a pipe
                self._process = None
        if code == 0:
            return ending
        if self._closing.is_set():
            raise _closed()
        return Ending(ending.said, _failure(code, limits))


def _started(program: str, content: bytes, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-B", "-m", f"retrieval.parsing.{program}", str(os.getpid()), *arguments]
    try:
        # A file in memory: writing it waits for no reader, and it leaves nothing on the disk.
        with os.fdopen(os.memfd_create("document"), "w+b") as source:
            source.write(content)
            source.seek(0)
            return subprocess.Popen(
                command,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=_REPOSITORY,
                env=_ENVIRONMENT | (_KEPT if program == _SCANNER else {}),
            )
    except OSError as error:  # no memory for the file or the process
        raise Unavailable(
            f"No process could be started to read a file ({error.strerror}). Free memory.",
            code="parser_unavailable",
            retry_after=5,
        ) from error


def _collected(process: "subprocess.Popen[bytes]", limits: Limits) -> Ending:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    deadline = time.monotonic() + limits.wall_seconds
    most = limits.text_characters * _BYTES_OF_A_CHARACTER + _BYTES_OF_THE_REST
    answer = bytearray()
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        part = os.read(process.stdout.fileno(), 1 << 20)
        if not part:
            return Ending(bytes(answer))
        answer += part
        if len(answer) > most:
            return Ending(b"", FileRefusedError("Its parser wrote without end. Split the file, or remove it."))
    refusal = FileRefusedError(
        f"Reading it took more than {limits.wall_seconds:g} seconds. Split it into several files.",
        passing=True,
    )
    return Ending(bytes(answer), refusal, late=True)


def _failure(code: int, limits: Limits) -> FileRefusedError:
    if code == OUT_OF_MEMORY:
        return FileRefusedError(
            f"Reading it took more than {limits.memory_bytes / 1e6:g} MB of memory. Split it into several files."
        )
    if code == NO_RECOGNITION:
        return FileRefusedError(
            "It is a scan, and what recognises text is not whole. Run `make install`.", passing=True
        )
    if code == -signal.SIGXCPU:
        return FileRefusedError(
            f"Reading it took more than {limits.cpu_seconds} seconds of processor time. "
            "Split it into several files."
        )
    if code == -signal.SIGKILL:
        return FileRefusedError(
            "Its parser was killed from outside, as the system does when memory runs short. "
            "Free memory; it is tried again when the folder is next read.",
            passing=True,
        )
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return FileRefusedError(
        f"Its parser crashed ({how}): it is damaged, or takes too much memory. Save it again, or split it."
    )


def _closed() -> Unavailable:
    return Unavailable("No file is read any more: the server is stopping.", code="parser_unavailable")
