"""A whole server and the command line are killed, or meet, while an adapter is trained."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from core.digest import hash_of_file
from tests.engine.server import ROOT, RunningServer, command_beside
from tests.fakes.trainer import STEPS, WAITS_AFTER, losses
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(1200)  # whole servers are started, on a machine that may be slow
_PATIENCE = 300.0


def _settings(world: World) -> dict[str, str]:
    return {
        "REPERTORY_TRAINING_COMMAND": f"{sys.executable} -m tests.fakes.trainer",
        "FAKE_TRAINER_SAVES_EVERY": "4",
        "FAKE_TRAINER_WAITS_FOR": str(world.note("go-on")),
    }


def _examples(world: World) -> Path:
    path = world.folder / "talks.jsonl"
    talks = [
        [{"role": "user", "content": f"Is {number} even?"}, {"role": "assistant", "content": "Ask me."}]
        for number in range(4)
    ]
    path.write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in talks))
    return path


def _get(server: RunningServer, path: str) -> Any:
    answered = httpx.get(f"{server.url}/v1{path}", headers=server.admin, timeout=60, trust_env=False)
    assert answered.is_success, answered.text
    return answered.json()


def _post(server: RunningServer, path: str, **more: Any) -> Any:
    url = f"{server.url}/v1{path}"
    answered = httpx.post(url, headers=server.admin, timeout=60, trust_env=False, **more)
    assert answered.is_success, answered.text
    return answered.json()


def _job(server: RunningServer, examples: Path) -> str:
    files = {"file": ("talks.jsonl", examples.read_bytes())}
    data = _post(server, "/files", data={"purpose": "fine-tune"}, files=files)["id"]
    job = _post(server, "/fine_tuning/jobs", json={"model": "base", "training_file": data, "suffix": "helper"})
    return str(job["id"])


def _steps(server: RunningServer, job: str) -> list[Mapping[str, Any]]:
    """Return the metrics that were told of a job, in the order of their steps."""
    told = _get(server, f"/fine_tuning/jobs/{job}/events?limit=100")["data"]
    return sorted((one["data"] for one in told if one["type"] == "metrics"), key=lambda data: int(data["step"]))


def _trainers(world: World) -> list[psutil.Process]:
    """Return the processes that train in this world, their guardians included."""
    mine = str(world.data_dir / "training")
    found = []
    for process in psutil.process_iter():
        try:
            if any(mine in word for word in process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_server_killed_in_mid_training_leaves_no_trainer_and_the_next_one_ends_in_the_same_curve(
    world: World,
) -> None:
    examples = _examples(world)
    with world.server(**_settings(world)) as server:
        server.wait_ready()
        job = _job(server, examples)
        eventually(lambda: len(_steps(server, job)) == WAITS_AFTER, _PATIENCE)
        assert _trainers(world) != []
        server.process.kill()
        server.process.wait()
        eventually(lambda: _trainers(world) == [], _PATIENCE)
        eventually(lambda: world.engine_processes() == [], _PATIENCE)
    world.note("go-on").touch()
    with world.server(**_settings(world)) as server:
        server.wait_ready()
        eventually(lambda: _get(server, f"/fine_tuning/jobs/{job}")["status"] == "succeeded", _PATIENCE)
        told = _get(server, f"/fine_tuning/jobs/{job}/events?limit=100")["data"]
        assert [one["message"] for one in told].count("Going on from checkpoint-4.") == 1
        curve = losses(hash_of_file(examples))
        assert [one["train_loss"] for one in _steps(server, job)] == curve
        ended = _get(server, f"/fine_tuning/jobs/{job}")
        assert ended["fine_tuned_model"] == "helper@1"
        table = httpx.get(
            f"{server.url}/v1/files/{ended['result_files'][0]}/content", headers=server.admin, timeout=60
        ).text
        assert [float(row["train_loss"]) for row in csv.DictReader(io.StringIO(table))] == curve


def test_a_server_that_starts_beside_a_command_that_trains_leaves_its_job_to_it(world: World) -> None:
    examples = _examples(world)
    environment = {**os.environ, **world.settings(**_settings(world)), "REPERTORY_DATA_DIR": str(world.data_dir)}
    training = subprocess.Popen(
        command_beside("adapter", "train", str(examples), "--name", "helper", "--json"),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: list(world.data_dir.glob("training/*/run/checkpoint.json")) != [], _PATIENCE)
        (before,) = (world.data_dir / "training").iterdir()
        with world.server(**_settings(world)) as server:
            server.wait_ready()
            assert training.poll() is None
            assert {path.name for path in before.iterdir()} >= {"train.jsonl", "run"}
            own = _job(server, examples)  # what comes to the server meanwhile waits
            world.note("go-on").touch()
            out, err = training.communicate(timeout=_PATIENCE)
            assert training.returncode == 0, err
            assert json.loads(out)["engine_name"] == "helper@1"
            assert "Going on" not in err  # it was trained in one go
            eventually(lambda: _get(server, f"/fine_tuning/jobs/{own}")["status"] == "succeeded", _PATIENCE)
            assert len(_steps(server, own)) == STEPS
    finally:
        if training.poll() is None:
            training.kill()
            training.wait()
