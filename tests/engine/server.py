"""Starting the real thing for a test run: `repertory serve`, and a plain vLLM beside it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 420.0
NO_IDLING = httpx.Limits(max_keepalive_connections=0)
"""For clients of vLLM, which closes a connection after five idle seconds, and perhaps just as it is used again."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command_beside(*arguments: str) -> list[str]:
    """Return a command of the `repertory` that was installed beside this Python."""
    return [str(Path(sys.executable).with_name("repertory")), *arguments]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server under test.

    Attributes:
        url: where it answers.
        data_dir: its data directory.
        process: the process that `make run` would be.
        log: what it printed.
        tracker_url: where the demo's ticket tracker answers, if it was started.
    """

    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]
    log: Path
    tracker_url: str

    @property
    def admin_key(self) -> str:
        return (self.data_dir / "admin.key").read_text().strip()

    @property
    def admin(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.admin_key}"}

    @property
    def environment(self) -> dict[str, str]:
        """What a command of the command line needs to find it."""
        port = self.url.rpartition(":")[2]
        return {**os.environ, "REPERTORY_DATA_DIR": str(self.data_dir), "REPERTORY_PORT": port}

    def wait_ready(self, seconds: float = _START_SECONDS) -> None:
        wait_for(f"{self.url}/readyz", self.process, self.log, seconds)

    def wait_printed(self, text: str, seconds: float = 60.0) -> str:
        """Return all that was printed, once `text` is in it: the terminal follows `/readyz` by a moment."""
        deadline = time.monotonic() + seconds
        while text not in (printed := self.log.read_text()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} was not printed:\n{printed[-4000:]}")
            time.sleep(0.1)
        return printed


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = _START_SECONDS) -> None:
    """Poll until `url` answers 200; fail with the log if the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"{process.args!r} ended with {process.returncode}:\n{log.read_text()[-4000:]}")
        try:
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.25)
    raise AssertionError(f"{url} did not answer within {seconds:.0f} s:\n{log.read_text()[-4000:]}")


@contextmanager
def repertory(data_dir: Path, settings: Mapping[str, str], *arguments: str) -> Iterator[RunningServer]:
    """Run `repertory serve` and end it as Ctrl-C would."""
    port = free_port()
    log = data_dir.parent / f"{data_dir.name}.log"
    environment = {**os.environ, "REPERTORY_DATA_DIR": str(data_dir), "REPERTORY_PORT": str(port), **settings}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command_beside("serve", *arguments),
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        )
    tracker_url = f"http://127.0.0.1:{environment.get('REPERTORY_TRACKER_PORT', 0)}"
    server = RunningServer(f"http://127.0.0.1:{port}", data_dir, process, log, tracker_url)
    try:
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def plain_vllm(model: Path, log: Path, *arguments: str) -> Iterator[str]:
    """Run vLLM without our plug-in; yield its URL."""
    port = free_port()
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_PLUGINS": "none-of-ours",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }
    argv = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    argv += ["--served-model-name", "base", "--host", "127.0.0.1", "--port", str(port), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdout=output, stderr=output, cwd=ROOT, env=environment, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def repertory_cli(server: RunningServer, *arguments: str) -> str:
    """Run a command of the command line against a server's data directory; return what it printed."""
    command, environment = command_beside(*arguments), server.environment
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
