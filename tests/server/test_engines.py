"""Several engines at once, and how an engine that is busy is told from one that computes nothing."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core.database import Database
from core.errors import Unavailable
from server.engine.driver import EngineDriver
from server.migrations import migrate
from server.releases import AdapterReleases
from server.settings import Settings
from tests.adapters.tiny import make_adapter, make_base
from tests.fakes.engine import FakeEngine, FakePlugin, Reply, running_engine

pytestmark = pytest.mark.anyio
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _load(driver: EngineDriver) -> None:
    """Load the one adapter that is released."""
    for admin in driver.answering:
        await admin.load("coach@1")


@asynccontextmanager
async def driving(folder: Path, *engines: FakeEngine) -> AsyncIterator[EngineDriver]:
    for engine in engines:
        engine.plugin = engine.plugin or FakePlugin()
        engine.plugin.registered.add("coach@1")
    driver = EngineDriver(Settings(data_dir=folder, engine_url=tuple(e.url for e in engines)), None, _load)
    await driver.start()
    try:
        yield driver
    finally:
        await driver.stop()


def _refuses(releases: AdapterReleases) -> bool:
    try:
        releases.resolve("coach")
    except Unavailable:
        return True
    return False


async def until(check: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not check():
            await anyio.sleep(0.02)


async def test_an_engine_that_is_not_fit_leaves_the_others_answering(tmp_path: Path) -> None:
    with running_engine() as fit, running_engine() as unfit:
        unfit.plugin = FakePlugin(refuses=True)
        async with driving(tmp_path, fit, unfit) as driver:
            await until(lambda: driver.ready().ok)
            for _ in range(4):
                await driver.chat("coach@1", HELLO)
            assert (len(fit.requests), len(unfit.requests)) == (4, 0)
            unfit.plugin.refuses = False
            await until(lambda: len(driver.answering) == 2)
            await until(lambda: "coach@1" in unfit.models)
            for _ in range(4):
                await driver.chat("coach@1", HELLO)
            assert (len(fit.requests), len(unfit.requests)) == (6, 2)
            assert driver.restarts == 0


async def test_an_engine_that_joins_gets_requests_only_when_it_has_the_adapters(tmp_path: Path) -> None:
    with running_engine() as first, running_engine() as second:
        gate = threading.Event()
        second.healthy = False
        second.plugin = FakePlugin(held={"coach@1": gate})
        async with driving(tmp_path, first, second) as driver:
            await until(lambda: driver.ready().ok)
            second.healthy = True
            assert await anyio.to_thread.run_sync(second.plugin.waiting.wait, 30)
            for _ in range(4):
                await driver.chat("coach@1", HELLO)
            assert (len(first.requests), len(second.requests)) == (4, 0)
            gate.set()
            await until(lambda: "coach@1" in second.models)
            await anyio.sleep(0.1)
            for _ in range(4):
                await driver.chat("coach@1", HELLO)
            assert (len(first.requests), len(second.requests)) == (6, 2)


@pytest.mark.parametrize("plugin", [None, FakePlugin(version="0"), FakePlugin(operators="PunicaWrapperCPU")])
async def test_an_engine_that_joins_and_cannot_serve_adapters_takes_none_from_the_others(
    tmp_path: Path, plugin: FakePlugin | None, caplog: pytest.LogCaptureFixture
) -> None:
    with running_engine() as fit, running_engine() as unfit:
        unfit.healthy = False
        async with driving(tmp_path, fit, unfit) as driver:
            await until(lambda: driver.ready().ok)
            unfit.plugin, unfit.healthy = plugin, True
            await until(lambda: "Engine 1 is not used" in caplog.text)
            assert driver.adapters_refused() is None
            for _ in range(4):
                await driver.chat("coach@1", HELLO)
            assert (len(fit.requests), len(unfit.requests)) == (4, 0)


async def test_engines_none_of_which_can_serve_adapters_answer_as_the_base(tmp_path: Path) -> None:
    with running_engine() as one, running_engine() as other:
        one.plugin, other.plugin = FakePlugin(version="0"), FakePlugin(version="0")
        async with driving(tmp_path, one, other) as driver:
            await until(lambda: driver.ready().ok)
            assert len(driver.answering) == 2
            assert "needs '1'" in (driver.adapters_refused() or "")
            await driver.chat("base", HELLO)


async def test_an_engine_that_joins_without_an_adapter_takes_it_from_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(tmp_path / "repertory.db")
    migrate(database)
    base = BaseModel.load(make_base(tmp_path / "base"))
    registry = Registry(database, tmp_path / "adapters")
    registry.import_folder(make_adapter(tmp_path / "one"), "coach", base=base, limits=ImportLimits())
    registry.promote("coach", 1, by="ann", reason="first", override=True)
    releases = AdapterReleases(registry, lambda: base)
    with running_engine() as has, running_engine() as lacks, closing(database):
        has.plugin = FakePlugin(registered={"coach@1"}, candidates={"coach@1": {"Hello": -1.5, "I": -0.4}})
        lacks.plugin, lacks.healthy = FakePlugin(), False
        settings = Settings(data_dir=tmp_path, engine_url=(has.url, lacks.url))
        driver = EngineDriver(settings, None, releases.restore)
        releases.attach(driver)
        await driver.start()
        try:
            await until(lambda: driver.ready().ok)
            lacks.healthy = True
            await until(lambda: "Engine 1 is not used" in caplog.text)
            assert releases.resolve("coach") == "coach@1"
            assert driver.answering == driver.admins[:1]
            has.plugin.registered.clear()  # now nobody has it, which is no fault of one engine's
            await until(lambda: _refuses(releases) and driver.answering == driver.admins)
        finally:
            await releases.aclose()
            await driver.stop()


async def test_an_engine_that_is_busy_with_others_still_computes(tmp_path: Path) -> None:
    with running_engine() as engine:
        async with driving(tmp_path, engine) as driver, anyio.create_task_group() as group:
            await until(lambda: driver.ready().ok)
            engine.will(Reply("word " * 200, pause=0.05))
            frames = driver.stream("base", HELLO)
            await anext(frames)

            async def read_on() -> None:
                async with aclosing(frames):
                    async for _ in frames:
                        pass

            group.start_soon(read_on)
            engine.will(Reply(hangs_after=0))
            assert await driver.admins[0].computes("base", 0.5)
            group.cancel_scope.cancel()


async def test_an_engine_that_gets_on_with_nothing_does_not_compute(tmp_path: Path) -> None:
    with running_engine() as engine:
        async with driving(tmp_path, engine) as driver:
            await until(lambda: driver.ready().ok)
            engine.will(Reply(hangs_after=0))
            assert not await driver.admins[0].computes("base", 0.5)


async def test_an_engine_that_rests_ends_what_it_began_and_takes_nothing_until_it_works_again(
    tmp_path: Path,
) -> None:
    with running_engine() as engine:
        async with driving(tmp_path, engine) as driver:
            await until(lambda: driver.ready().ok)
            engine.will(Reply("word " * 10, pause=0.02))
            frames = driver.stream("base", HELLO)
            seen = [await anext(frames)]
            async with anyio.create_task_group() as group:
                group.start_soon(driver.rest, "An adapter is trained.")
                await until(lambda: not driver.ready().ok)
                with pytest.raises(Unavailable, match="An adapter is trained") as refused:
                    await driver.chat("base", HELLO)
                assert refused.value.retry_after
                async with aclosing(frames):
                    seen += [frame async for frame in frames]
            assert seen[-1]["choices"] == [] or seen[-1]["choices"][0]["finish_reason"] == "stop"
            driver.work()
            assert driver.ready().ok
            await driver.chat("base", HELLO)
            assert driver.restarts == 0
