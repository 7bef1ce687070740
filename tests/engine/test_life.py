"""How the server lives with a dying engine, a leaving client, and its own end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from server.data_directory import locked
from server.engine.process import LEASE, EngineProcess, runtime_dir
from server.settings import Settings
from tests.engine.conftest import engine_client
from tests.engine.server import ROOT, RunningServer, command_beside, free_port

STORY = {"messages": [{"role": "user", "content": "Tell a very long story."}], "max_tokens": 1000}


def eventually(check: Callable[[], bool], seconds: float) -> float:
    """Return after how many seconds `check` held; fail when it did not within `seconds`."""
    began = time.monotonic()
    while not check():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"it did not happen within {seconds} s")
        time.sleep(0.02)
    return time.monotonic() - began


def running_requests(engine: httpx.Client) -> float:
    lines = engine.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running{"))


def engine_processes(data_dir: Path) -> list[psutil.Process]:
    lease, found = str(runtime_dir(data_dir)), []
    for process in psutil.process_iter():
        try:
            if process.environ().get(LEASE) == lease and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def lives(process: psutil.Process) -> bool:
    """Tell whether a process runs; a zombie that nobody has fetched yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers_not_ready(server: RunningServer) -> bool:
    try:
        return httpx.get(f"{server.url}/readyz", timeout=20).status_code == 503
    except httpx.TimeoutException:
        return False


def test_a_client_that_leaves_frees_the_engine_within_a_second(server: RunningServer) -> None:
    with engine_client(server) as engine:
        body = {"model": "teller", "stream": True, **STORY}
        with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=120) as response:
            lines = response.iter_lines()
            while "content" not in next(lines):
                pass
            eventually(lambda: running_requests(engine) > 0, 10)
        assert eventually(lambda: running_requests(engine) == 0, 5) < 1.0


def test_an_engine_killed_in_mid_answer_ends_in_one_error_frame_and_comes_back(server: RunningServer) -> None:
    body = {"model": "teller", "stream": True, **STORY}
    frames: list[str] = []
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=120) as response:
        for line in response.iter_lines():
            if line.startswith("data:"):
                frames.append(line)
                if len(frames) == 5:  # once: the empty line that ends the frame comes after it
                    # All are named before the first is killed: what ends with it has no command line any more.
                    named = engine_processes(server.data_dir)
                    engine = [one for one in named if "core.guardian" not in one.cmdline()]
                    for process in engine:
                        process.kill()
    assert [index for index, frame in enumerate(frames) if '"error"' in frame] == [len(frames) - 1]
    eventually(lambda: answers_not_ready(server), 30)
    away = httpx.get(f"{server.url}/readyz", timeout=20)
    assert "vLLM" in away.json()["error"]["message"]
    assert int(away.headers["retry-after"]) > 0
    server.wait_ready()
    question = [{"role": "user", "content": "Hello"}]
    for persona in ("support-agent", "compliance-guide"):
        again = httpx.post(
            f"{server.url}/v1/chat/completions",
            json={"model": persona, "messages": question, "max_tokens": 4},
            timeout=120,
        )
        assert again.status_code == 200, again.text


def test_ctrl_c_leaves_nothing_behind_within_ten_seconds(server: RunningServer) -> None:
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert len(children) >= 4
    began = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 0
    assert time.monotonic() - began < 10
    assert not any(lives(child) for child in children)
    assert engine_processes(server.data_dir) == []
    assert not runtime_dir(server.data_dir).exists()


def test_a_killed_server_leaves_no_process_and_its_data_directory_free(
    server: RunningServer, tmp_path: Path
) -> None:
    assert server.process.poll() is not None
    environment = {
        **os.environ,
        "REPERTORY_DATA_DIR": str(server.data_dir),
        "REPERTORY_PORT": str(free_port()),
        "REPERTORY_PERSONAS_DIR": str(server.data_dir.parent / "personas"),
    }
    command = command_beside("serve")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=ROOT, env=environment, start_new_session=True
        )
    eventually(lambda: len(engine_processes(server.data_dir)) >= 2, 120)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    eventually(lambda: not engine_processes(server.data_dir), 30)
    eventually(lambda: not any(lives(child) for child in children), 30)
    with locked(server.data_dir):
        settings = Settings(data_dir=server.data_dir)
        assert EngineProcess(settings, None).end_orphans() == 0
    assert not runtime_dir(server.data_dir).exists()
