"""Starts vLLM as the server does, with the switchable worker, for one measurement."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from adapters.template import template_of
from core.database import Database
from core.guardian import command
from server.engine.process import EngineProcess
from server.migrations import migrate
from server.settings import Settings
from tests.engine.adapters import write_random_adapter

ADAPTERS = ("alpha", "beta", "gamma")
_START_SECONDS = 300


@contextmanager
def engine(dtype: str) -> Iterator[Path]:
    """Yield the socket of a running engine with three random adapters (rank 8, all linear layers)."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        settings = Settings(
            data_dir=data_dir,
            engine_dtype=dtype,
            engine_args="--worker-extension-cls benchmarks.switching.SwitchingWorker",
        )
        _register(settings, data_dir)
        process = EngineProcess(settings, template_of(settings.base_model_dir).path)
        process.runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = process.environment() | {"VLLM_SERVER_DEV_MODE": "1"}
        with (data_dir / "engine.log").open("wb") as log:
            child = subprocess.Popen(
                command(os.getpid(), process.arguments()),
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        try:
            _wait(process.socket, child, data_dir / "engine.log")
            yield process.socket
        finally:
            child.terminate()
            try:
                child.wait(30)
            finally:
                process.end_orphans()


def _register(settings: Settings, data_dir: Path) -> None:
    database = Database(settings.database_path)
    migrate(database)
    registry = Registry(database, settings.adapters_dir)
    base = BaseModel.load(settings.base_model_dir)
    for seed, name in enumerate(ADAPTERS):
        folder = write_random_adapter(data_dir / "random" / name, settings.base_model_dir, seed=seed)
        registry.import_folder(folder, name, base=base, limits=ImportLimits())
    database.close()


def _wait(socket: Path, child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://engine") as http:
        while time.monotonic() < deadline and child.poll() is None:
            try:
                if http.get("/health").is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.5)
    raise RuntimeError(f"the engine did not start:\n{log.read_text()[-3000:]}")
