"""Nothing of a guarded command outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core.guardian import command

FAMILY = """
import os, subprocess, sys, time, signal
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with open(sys.argv[2] + ".new", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[2] + ".new", sys.argv[2])
time.sleep(600)
"""
PARENT = """
import os, subprocess, sys, time
from core.guardian import command
guardian = subprocess.Popen(command(os.getpid(), sys.argv[1:]), start_new_session=True)
print(guardian.pid, flush=True)
time.sleep(600)
"""


def _await_pids(note: Path) -> list[psutil.Process]:
    deadline = time.monotonic() + 30
    while not note.exists():
        assert time.monotonic() < deadline, "the guarded command did not start"
        time.sleep(0.02)
    return [psutil.Process(int(pid)) for pid in note.read_text().split()]


def _family(note: Path, temper: str) -> list[str]:
    return [sys.executable, "-c", FAMILY, temper, str(note)]


def _gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=15)
    return not alive


@pytest.mark.parametrize("temper", ["meek", "stubborn"])
def test_a_killed_parent_takes_the_whole_family_with_it(tmp_path: Path, temper: str) -> None:
    note = tmp_path / "pids"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *_family(note, temper)], stdout=subprocess.PIPE)
    family = _await_pids(note)
    assert parent.stdout is not None
    guardian = psutil.Process(int(parent.stdout.readline()))
    parent.stdout.close()
    parent.kill()
    parent.wait()
    assert _gone([*family, guardian])


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_guardian_ends_the_family_first(tmp_path: Path, sign: signal.Signals) -> None:
    note = tmp_path / "pids"
    guardian = subprocess.Popen(command(os.getpid(), _family(note, "meek")), start_new_session=True)
    family = _await_pids(note)
    guardian.send_signal(sign)
    guardian.wait(15)
    assert _gone(family)


def test_a_killed_guardian_takes_the_command_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    guardian = subprocess.Popen(command(os.getpid(), _family(note, "meek")), start_new_session=True)
    leader, child = _await_pids(note)
    guardian.kill()
    guardian.wait()
    assert _gone([leader])
    child.kill()


def test_the_exit_code_of_the_command_is_handed_on() -> None:
    argv = [sys.executable, "-c", "raise SystemExit(7)"]
    assert subprocess.run(command(os.getpid(), argv), check=False).returncode == 7


def test_a_guardian_whose_parent_is_gone_already_starts_nothing(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"]
    done = subprocess.run(command(1 << 22, argv), check=False)
    assert done.returncode == 1
    assert not (tmp_path / "ran").exists()
