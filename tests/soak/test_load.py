"""Load for a long time, while the engine is killed and hangs and persona files change. Run by `make soak`."""

import random
import time
from pathlib import Path

import anyio
import psutil
import pytest

from tests.faults.load import Tally, run
from tests.faults.world import PERSONAS, World

pytestmark = [pytest.mark.anyio, pytest.mark.soak]
_FLAT_REQUESTS = 20_000
_MOST_GROWTH = 20_000_000
_PATIENCE = 180.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_memory_stays_flat_over_twenty_thousand_requests(tmp_path: Path) -> None:
    world = World.make(tmp_path / "world")
    with world.server() as server:
        server.wait_ready()
        await run(server, lambda asked: asked < 1_000)
        began = time.monotonic()
        tally = await run(server, lambda asked: asked < _FLAT_REQUESTS, sample=200)
        _report("flat", tally, time.monotonic() - began)
        assert tally.wrong == []
        assert tally.outcomes == {"whole": _FLAT_REQUESTS}
        assert tally.growth() < _MOST_GROWTH


async def test_an_hour_of_load_with_faults_loses_no_answer(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    seconds = float(pytestconfig.getoption("soak_seconds"))
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"\n{seconds:.0f} s of load, seed {seed}")  # noqa: T201  the log of the run
    world, chance = World.make(tmp_path / "world"), random.Random(seed)
    done: list[str] = []
    with world.server(REPERTORY_ENGINE_HANG_SECONDS="3") as server:
        server.wait_ready()
        process = psutil.Process(server.process.pid)
        await run(server, lambda asked: asked < 500, faults=True)
        files, until = process.num_fds(), time.monotonic() + seconds
        tally = Tally()

        async def load() -> None:
            nonlocal tally
            tally = await run(server, lambda _: time.monotonic() < until, sample=200, faults=True)

        async with anyio.create_task_group() as group:
            group.start_soon(load)
            while time.monotonic() < until - 30:
                await anyio.sleep(chance.uniform(10, 30))
                done.append(await _do_harm(world, chance))
        _report("with faults", tally, seconds)
        print("\n".join(f"{done.count(one):5} {one}" for one in sorted(set(done))))  # noqa: T201
        with anyio.fail_after(_PATIENCE):
            while (await run(server, lambda asked: asked < 20)).outcomes != {"whole": 20}:
                await anyio.sleep(1)
        assert tally.wrong == []
        assert tally.growth() < _MOST_GROWTH
        assert process.num_fds() <= files + 20
    assert world.engine_processes() == []


async def _do_harm(world: World, chance: random.Random) -> str:
    """Do one harm; return its name."""
    harm = chance.choice(["engine killed", "engine hung", "persona changed", "persona broken"])
    engines = [one for one in world.engine_processes() if "core.guardian" not in one.cmdline()]
    if harm == "engine killed" and engines:
        engines[0].kill()
    elif harm == "engine hung" and engines:
        engines[0].suspend()
    elif harm == "persona changed":
        (world.personas / "plain.yaml").write_text(PERSONAS["plain"] + f"description: {chance.random()}\n")
    elif harm == "persona broken":
        (world.personas / "plain.yaml").write_text("id: plain\nnonsense: true\n")
        await anyio.sleep(2)
        (world.personas / "plain.yaml").write_text(PERSONAS["plain"])
    return harm


def _report(name: str, tally: Tally, seconds: float) -> None:
    memory = [f"{size / 1e6:.0f}" for size in tally.memory[:: max(1, len(tally.memory) // 10)]]
    print(f"\n{name}: {tally.requests} requests in {seconds:.0f} s ({tally.requests / seconds:.0f}/s)")  # noqa: T201
    print(f"  outcomes: {dict(tally.outcomes)}")  # noqa: T201
    print(f"  memory of the gateway, MB: {' '.join(memory)}; growth {tally.growth() / 1e6:.1f}")  # noqa: T201
