"""The engine is killed or hangs, wherever it is: its supervisor notices, says so, and brings it back."""

import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from adapters.base import BaseModel
from core.errors import Unavailable, UpstreamFailed
from server.engine.driver import EngineDriver
from server.engine.process import EngineProcess
from server.releases import AdapterReleases
from server.settings import Settings
from tests.engine.server import ROOT
from tests.faults.world import STAND_IN, World, body

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]
_PATIENCE = 60.0


@dataclass
class Supervised:
    """A driver with a real child process, guardian and socket."""

    driver: EngineDriver
    releases: AdapterReleases
    settings: Settings

    async def until_ready(self) -> None:
        await until(lambda: self.driver.ready().ok)

    async def hello(self, **reply: Any) -> str:
        answer = await self.driver.chat("base", {"messages": body(**reply)["messages"]})
        return answer["choices"][0]["message"]["content"] or ""

    async def streamed(self, **reply: Any) -> int:
        return len([frame async for frame in self.driver.stream("base", {"messages": body(**reply)["messages"]})])


async def until(check: Callable[[], bool]) -> None:
    with anyio.fail_after(_PATIENCE):
        while not check():
            await anyio.sleep(0.02)


@pytest.fixture(autouse=True)
def _stand_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{STAND_IN}:{ROOT}")
    monkeypatch.setenv("STAND_IN_DIR", str(world.notes))


@asynccontextmanager
async def supervised(world: World, **settings: Any) -> AsyncIterator[Supervised]:
    made = Settings(
        data_dir=world.data_dir,
        models_dir=world.folder / "models",
        **settings,
    )
    with world.registry() as registry:
        releases = AdapterReleases(registry, lambda: BaseModel.load(world.base))
        driver = EngineDriver(made, None, releases.restore)
        releases.attach(driver)
        await driver.start()
        try:
            yield Supervised(driver, releases, made)
        finally:
            await releases.aclose()
            await driver.stop()
    assert world.engine_processes() == []


async def test_an_engine_killed_at_its_start_is_started_again(world: World) -> None:
    world.note("hold-start").touch()
    async with supervised(world) as engine:
        await until(world.note("at-start").exists)
        assert not engine.driver.ready().ok
        world.engine().kill()
        await until(lambda: "ended while it started" in engine.driver.ready().reason)
        with pytest.raises(Unavailable, match="The next try is in"):
            await engine.hello()
        world.note("hold-start").unlink()
        await engine.until_ready()
        assert await engine.hello() == "Hello from the engine."


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
async def test_an_engine_killed_or_hung_while_it_loads_an_adapter_comes_back_with_it(
    world: World, sign: signal.Signals
) -> None:
    world.note("hold-load").touch()
    async with supervised(world, engine_hang_seconds=2) as engine:
        await until(world.note("at-load").exists)
        assert not engine.driver.ready().ok
        first = world.engine()
        first.send_signal(sign)
        await until(lambda: not first.is_running())
        world.note("hold-load").unlink()
        await engine.until_ready()
        assert engine.releases.resolve("coach") == "coach@1"
        assert await engine.hello() == "Hello from the engine."


async def test_an_engine_killed_in_mid_answer_ends_the_answer_with_an_error_and_comes_back(world: World) -> None:
    async with supervised(world) as engine:
        await engine.until_ready()
        frames = engine.driver.stream("base", {"messages": body(text="one two three", hangs_after=2)["messages"]})
        await anext(frames)
        world.engine().kill()
        with pytest.raises(UpstreamFailed, match="broke off"):
            async for _ in frames:
                pass
        await until(lambda: not engine.driver.ready().ok)
        assert "vLLM ended with code 137" in engine.driver.ready().reason
        await engine.until_ready()
        assert await engine.hello() == "Hello from the engine."


async def test_an_engine_that_lives_but_no_longer_answers_is_killed_and_started_again(world: World) -> None:
    async with supervised(world, engine_hang_seconds=2) as engine:
        await engine.until_ready()
        first = world.engine()
        first.suspend()
        await until(lambda: not engine.driver.ready().ok)
        assert "has not answered for 2 s" in engine.driver.ready().reason
        await until(lambda: not first.is_running())
        await engine.until_ready()
        assert await engine.hello() == "Hello from the engine."


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
async def test_an_engine_that_is_healthy_but_computes_nothing_is_killed_and_started_again(
    world: World, whole: bool
) -> None:
    async with supervised(world, engine_hang_seconds=2, stall_seconds=1) as engine:
        await engine.until_ready()
        first = world.engine()
        world.note("hold-compute").touch()
        with pytest.raises(UpstreamFailed, match="broke off" if whole else "silent for too long"):
            await (engine.hello() if whole else engine.streamed())
        await until(lambda: not engine.driver.ready().ok)
        assert "computed nothing for 2 s" in engine.driver.ready().reason
        await until(lambda: not first.is_running())
        world.note("hold-compute").unlink()
        await engine.until_ready()
        assert await engine.hello() == "Hello from the engine."


async def test_an_answer_that_stalls_alone_leaves_the_engine_running(world: World) -> None:
    async with supervised(world, engine_hang_seconds=1, stall_seconds=1) as engine:
        await engine.until_ready()
        with pytest.raises(UpstreamFailed, match="silent for too long"):
            await engine.streamed(text="one two three", hangs_after=1)
        await until(lambda: not engine.driver.stalled.is_set())
        await anyio.sleep(2)  # twice what it would be given
        assert engine.driver.ready().ok
        assert engine.driver.restarts == 0


def _niceness_of_session(process: int) -> str | None:
    """Return it, or None where the kernel knows of none."""
    path = Path(f"/proc/{process}/autogroup")
    return path.read_text().split()[-1] if path.exists() else None


@pytest.mark.parametrize(("setting", "gives_way"), [("share", 0), ("drain", 0), ("lower", 7)])
async def test_an_engine_gives_way_to_trainings_where_the_setting_says_so(
    world: World, setting: str, gives_way: int
) -> None:
    async with supervised(world, training_engine=setting) as engine:
        await engine.until_ready()
        process = world.engine()
        assert process.nice() == min(os.nice(0) + gives_way, 19)
        assert _niceness_of_session(process.pid) in (None, str(gives_way))


def test_a_socket_that_nobody_listens_on_is_cleared_away(world: World) -> None:
    process = EngineProcess(Settings(data_dir=world.data_dir), None)
    process.runtime_dir.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(process.socket))
    assert process.socket.exists()
    assert process.end_orphans() == 0
    assert not process.runtime_dir.exists()


def test_a_socket_that_another_program_answers_on_is_left_alone_and_named(world: World) -> None:
    process = EngineProcess(Settings(data_dir=world.data_dir), None)
    process.runtime_dir.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(process.socket))
        other.listen()
        with pytest.raises(Unavailable, match="Another program answers on"):
            process.end_orphans()
        assert process.socket.exists()
    assert process.end_orphans() == 0
