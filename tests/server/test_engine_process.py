"""The folder of the engine's socket is ours alone, and what a killed server left behind is found again."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.errors import Unavailable
from server.engine.process import EngineProcess
from server.settings import Settings

pytestmark = pytest.mark.anyio
RENAMED = """
import setproctitle, sys
setproctitle.setproctitle("VLLM::EngineCore")
print("renamed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def process(tmp_path: Path) -> EngineProcess:
    return EngineProcess(Settings(data_dir=tmp_path), None)


def test_an_orphan_that_has_renamed_itself_as_vllm_does_is_ended(process: EngineProcess) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RENAMED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=process.environment(),
    ) as orphan:
        assert orphan.stdout is not None
        assert orphan.stdout.readline() == b"renamed\n"
        assert process.end_orphans() == 1
        assert not psutil.pid_exists(orphan.pid)


async def test_no_socket_is_put_into_a_folder_that_others_may_enter(process: EngineProcess) -> None:
    process.runtime_dir.mkdir(mode=0o777)
    process.runtime_dir.chmod(0o777)
    try:
        with pytest.raises(Unavailable, match="open to others"):
            await process.start()
        assert not process.running
    finally:
        process.runtime_dir.rmdir()


async def test_no_socket_is_put_behind_a_link(process: EngineProcess, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    process.runtime_dir.symlink_to(elsewhere)
    try:
        with pytest.raises(Unavailable):
            await process.start()
    finally:
        process.runtime_dir.unlink()
