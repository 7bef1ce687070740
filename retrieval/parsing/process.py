"""Runs the process that reads one file, bounds it, and puts its end into words. Imports no parser.

One process a file, not a pool: the kernel's bounds are then the file's own, nothing of a hostile file is left for
the next one, and a start costs about a fifth of a second, as much as embedding a few passages of what comes out.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from core.errors import Unavailable
from retrieval.parsing.formats import Format
from retrieval.parsing.limits import OUT_OF_MEMORY, Limits
from retrieval.parsing.refusal import FileRefusedError

_BYTES_OF_A_CHARACTER = 6  # at most, in the worker's JSON
_BYTES_OF_THE_REST = 2_000_000
_END_SECONDS = 10
_REPOSITORY = Path(__file__).resolve().parents[2]
# No variable of ours, so no secret. Numpy, which openpyxl imports if it can, would reserve memory for threads.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}


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
        with self._turn:
            if self._closing.is_set():
                raise _closed()
            self._process = process = self._started(content, kind)
            try:
                if self._closing.is_set():  # `close` came before there was anything to kill
                    process.kill()
                answer = self._collected(process)
                code = process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired as error:  # it has closed its output, but goes on
                raise FileRefusedError("Its parser does not end. Remove the file.") from error
            finally:
                process.kill()
                process.wait()
                process.stdout.close()  # type: ignore[union-attr]  # it is a pipe
                self._process = None
        if code != 0:
            raise _closed() if self._closing.is_set() else self._failure(code)
        return answer

    def close(self) -> None:
        """End the worker that runs, and start no other."""
        self._closing.set()
        if (process := self._process) is not None:
            process.kill()

    def _started(self, content: bytes, kind: Format) -> "subprocess.Popen[bytes]":
        arguments = [str(os.getpid()), kind.value, self._limits.to_json()]
        try:
            # A file in memory: writing it waits for no reader, and it leaves nothing on the disk.
            with os.fdopen(os.memfd_create("document"), "w+b") as source:
                source.write(content)
                source.seek(0)
                return subprocess.Popen(
                    [sys.executable, "-B", "-m", "retrieval.parsing.worker", *arguments],
                    stdin=source,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd=_REPOSITORY,
                    env=_ENVIRONMENT,
                )
        except OSError as error:  # no memory for the file or the process
            raise Unavailable(
                f"No process could be started to read a file ({error.strerror}). Free memory.",
                code="parser_unavailable",
                retry_after=5,
            ) from error

    def _collected(self, process: "subprocess.Popen[bytes]") -> bytes:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        deadline = time.monotonic() + self._limits.wall_seconds
        most = self._limits.text_characters * _BYTES_OF_A_CHARACTER + _BYTES_OF_THE_REST
        answer = bytearray()
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN)
        while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            part = os.read(process.stdout.fileno(), 1 << 20)
            if not part:
                return bytes(answer)
            answer += part
            if len(answer) > most:
                raise FileRefusedError("Its parser wrote without end. Split the file, or remove it.")
        raise FileRefusedError(
            f"Reading it took more than {self._limits.wall_seconds:g} seconds. Split it into several files.",
            passing=True,
        )

    def _failure(self, code: int) -> FileRefusedError:
        if code == OUT_OF_MEMORY:
            return FileRefusedError(
                f"Reading it took more than {self._limits.memory_bytes / 1e6:g} MB of memory. "
                "Split it into several files."
            )
        if code == -signal.SIGXCPU:
            return FileRefusedError(
                f"Reading it took more than {self._limits.cpu_seconds} seconds of processor time. "
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
