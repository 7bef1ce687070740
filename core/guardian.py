"""Runs one command and leaves nothing of it behind, however its parent ends.

`python -m core.guardian --parent PID -- COMMAND…` starts the command in a session of its own. When the
command ends, when the guardian is asked to stop, or when the parent is gone (even by kill -9), every
process that came out of the command is ended: first asked, then killed. Knows nothing of what it runs.
"""

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 4.0


def die_with_parent(sign: signal.Signals, parent: int) -> None:
    """Have the kernel send `sign` to this process when its parent ends.

    Args:
        sign: the signal.
        parent: process id of the parent; if it is gone already, this process exits.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, sign)
    if os.getppid() != parent:
        sys.exit(1)


def command(parent: int, argv: Sequence[str], *, niceness: int = 0, of_session: int = 0) -> list[str]:
    """Return the command line that runs `argv` under a guardian.

    Args:
        parent: process id of whoever starts it.
        argv: the command.
        niceness: how much it gives way to others, from 0 to 19.
        of_session: how much its session does, where the kernel shares the processors among sessions.
    """
    told = ["--parent", str(parent), "--niceness", str(niceness), "--of-session", str(of_session)]
    return [sys.executable, "-m", "core.guardian", *told, "--", *argv]


def give_way(niceness: int, of_session: int) -> None:
    """Let this process, which leads a session of its own, give way to others.

    Where the kernel shares the processors among sessions (Linux's autogroup, `man 7 sched`), `nice` alone weighs
    only within one, and sessions are equals. That is often enough: beside an engine that is always busy an equal
    session gets a sixth of two processors or more, and one with a niceness of ten 0.4 % (Linux 6.18).
    """
    os.nice(niceness)
    if of_session:
        with contextlib.suppress(OSError):  # a kernel without autogroups has no such file
            Path("/proc/self/autogroup").write_text(str(of_session))


def end_processes(processes: Sequence[psutil.Process], grace: float = GRACE_SECONDS) -> None:
    """Ask the processes to end, and kill those that have not after `grace` seconds."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, timeout=grace)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=grace)


def _signal(process: psutil.Process, sign: signal.Signals) -> None:
    try:
        process.send_signal(sign)
    except psutil.NoSuchProcess:
        return


def run(parent: int, argv: Sequence[str], niceness: int = 0, of_session: int = 0) -> int:
    """Run the command to its end; return its exit code."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the command orphans becomes ours to end
    asked: list[int] = []
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, lambda number, _frame: asked.append(number))
    die_with_parent(signal.SIGTERM, parent)
    guardian = os.getpid()

    def begin() -> None:  # safe before the command runs, since there is one thread here
        die_with_parent(signal.SIGKILL, guardian)
        give_way(niceness, of_session)

    child = subprocess.Popen(argv, start_new_session=True, preexec_fn=begin)
    while child.poll() is None and not asked and os.getppid() == parent:
        time.sleep(0.1)
    if child.poll() is None:
        _signal(psutil.Process(child.pid), signal.SIGTERM)
        _wait(child, GRACE_SECONDS)
    end_processes(psutil.Process().children(recursive=True), grace=1.0)
    return child.wait()


def _wait(child: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()


def main() -> int:
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(prog="core.guardian")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--niceness", type=int, default=0)
    parser.add_argument("--of-session", type=int, default=0)
    parser.add_argument("argv", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    code = run(arguments.parent, argv, arguments.niceness, arguments.of_session)
    return code if code >= 0 else 128 - code  # as shells tell of a signal: 137 for SIGKILL


if __name__ == "__main__":
    sys.exit(main())
