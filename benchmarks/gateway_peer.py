"""One worker of LiteLLM's proxy, in an environment of its own that `requirements/peers.lock` describes."""

import json
import os
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.gateway_parts import PLAIN, ROOT, answered, free_port, wait_for
from bootstrap.packages import Environment, install


@contextmanager
def litellm(folder: Path, engine: int) -> Iterator[tuple[int, int]]:
    """Run one worker of LiteLLM's proxy, installed from its own lock; yield its process id and port."""
    environment = Environment(ROOT / "build" / "peers")
    if not environment.python.exists():
        venv.create(environment.root, with_pip=True)
    install(environment, ROOT / "requirements" / "peers.lock")
    config = folder / "litellm.yaml"
    parameters = {"model": "hosted_vllm/base", "api_base": f"http://127.0.0.1:{engine}/v1", "api_key": "none"}
    config.write_text(
        json.dumps(
            {
                "model_list": [{"model_name": PLAIN, "litellm_params": parameters}],
                "litellm_settings": {"telemetry": False},
            }
        )
    )
    port = free_port()
    command = [environment.root / "bin" / "litellm", "--config", config, "--host", "127.0.0.1"]
    env = {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # on loopback, like ours without keys
    }
    with (folder / "litellm.log").open("w") as log:
        process = subprocess.Popen(
            [*map(str, command), "--port", str(port), "--num_workers", "1"],
            cwd=folder,
            stdout=log,
            stderr=log,
            env=env,
        )
    try:
        body = {"model": PLAIN, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        wait_for(lambda: "[DONE]" in answered(port, body), "LiteLLM did not start", process)
        yield process.pid, port
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.terminate()
            process.terminate()
        process.wait(60)
