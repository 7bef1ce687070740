"""The programs that are measured, each a process of its own: upstream, load generator, gateway."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx
import psutil

from benchmarks.gateway_load import Job, Outcome

ROOT = Path(__file__).resolve().parents[1]
PLAIN, READER = "plain", "reader"
_INSTRUCTIONS = "You answer questions about a shop in a friendly way and in at most two sentences."
_PLAIN = f"id: {PLAIN}\nname: Plain\ninstructions: {_INSTRUCTIONS}\n"
_READER = (
    f"id: {READER}\nname: Reader\ninstructions: {_INSTRUCTIONS}\nknowledge:\n  paths: [knowledge/support-agent]\n"
)
_START_SECONDS = 600
_SETTLE_SECONDS = 30
_IDLE_SHARE = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def running(command: Sequence[str], log: Path) -> "Iterator[subprocess.Popen[str]]":
    """Run a program with pipes to its standard input and output until the block ends."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """Run the simulated vLLM and yield its port."""
    with running([sys.executable, "-m", "benchmarks.gateway_upstream"], folder / "upstream.log") as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


class Load:
    """The load generator's process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        self._number = 0

    def run(self, job: Job) -> Outcome:
        """Do one job; each request gets a number of its own."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job) | {"first_number": self._number}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load generator died:\n{self._log.read_text()[-3000:]}")
        outcome = Outcome(**json.loads(line))
        self._number += outcome.asked
        return outcome


@contextmanager
def load(folder: Path) -> Iterator[Load]:
    """Run the load generator."""
    log = folder / "load.log"
    with running([sys.executable, "-m", "benchmarks.gateway_load"], log) as process:
        yield Load(process, log)


class Gateway:
    """Our server as a user starts it, over an engine that somebody else runs."""

    def __init__(self, pid: int, port: int, personas: Path) -> None:
        self.pid = pid
        self.port = port
        self._personas = personas

    def learn(self) -> None:
        """Add the persona with knowledge and wait until it can be searched."""
        (self._personas / "reader.yaml").write_text(_READER)
        body = {
            "model": READER,
            "messages": [{"role": "user", "content": "How do I send a parcel back?"}],
            "stream": True,
            "repertory": {"include": True},
        }
        wait_for(lambda: '"retrieval":"found"' in answered(self.port, body), "the knowledge was not read")


@contextmanager
def gateway(folder: Path, engine: int, profile: Path | None = None) -> Iterator[Gateway]:
    """Run `repertory serve` with one persona that has no knowledge yet.

    Args:
        folder: for its data, and logs.
        engine: port of the upstream.
        profile: run it under the profiler, which writes here.
    """
    personas = folder / "personas"
    personas.mkdir(parents=True)
    (personas / "plain.yaml").write_text(_PLAIN)
    port = free_port()
    env = {
        "REPERTORY_ENGINE_URL": f"http://127.0.0.1:{engine}",
        "REPERTORY_DATA_DIR": str(folder / "data"),
        "REPERTORY_PERSONAS_DIR": str(personas),
        "REPERTORY_PORT": str(port),
        "REPERTORY_LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }
    command = [str(Path(sys.executable).parent / "repertory"), "serve"]
    if profile is not None:
        command = [sys.executable, "-m", "benchmarks.gateway_profile", str(profile)]
    with (
        (folder / "gateway.out").open("w") as out,
        (folder / "gateway.log").open("w") as log,
    ):
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=log, env={**os.environ, **env})
    try:
        body = {"model": PLAIN, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        wait_for(lambda: "[DONE]" in answered(port, body), "the gateway did not start", process)
        yield Gateway(process.pid, port, personas)
    finally:
        process.terminate()
        process.wait(60)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has taken so far, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def settle(pid: int) -> None:
    """Wait until a process has little to do, at most half a minute: its backlog must not disturb the next arm."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        before = cpu_seconds(pid)
        time.sleep(1)
        if cpu_seconds(pid) - before < _IDLE_SHARE:
            return


def resident_mb(pid: int) -> float:
    """Return the memory of a process in MB (10^6 bytes), without its children."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answered(port: int, body: Mapping[str, object]) -> str:
    """Return what is answered to a chat request; nothing while nobody listens."""
    try:
        return httpx.post(
            f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=10, trust_env=False
        ).text
    except httpx.HTTPError:
        return ""


def wait_for(done: Callable[[], bool], problem: str, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Wait until something is so.

    Raises:
        RuntimeError: the process ended, or it took far too long.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not done():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise RuntimeError(problem)
        time.sleep(0.3)
