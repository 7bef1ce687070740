"""Which version answers: the driver's handshake, the probe, use and rollback, over a fake engine."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core.database import Database
from core.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, Unavailable, UpstreamFailed
from server.engine.admin import ENGINE_UNAVAILABLE, Probe
from server.engine.driver import EngineDriver
from server.migrations import migrate
from server.proof import distance
from server.releases import AdapterReleases
from server.settings import Settings
from tests.adapters.tiny import make_adapter, make_base
from tests.fakes.engine import FakeEngine, FakePlugin, running_engine

pytestmark = pytest.mark.anyio
OWN = {"Hello": -1.5, "I": -0.4}


@dataclass
class Stage:
    """A driver over a fake engine, and the registry that it serves."""

    engine: FakeEngine
    plugin: FakePlugin
    registry: Registry
    releases: AdapterReleases
    driver: EngineDriver
    data_dir: Path
    served: list[BaseModel]
    add_version: Callable[[], int]

    async def use(self, version: int) -> None:
        await self.releases.use("coach", version, by="ada", reason="a trial", override=True)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with running_engine() as running:
        running.plugin = FakePlugin()
        yield running


@pytest.fixture
async def stage(engine: FakeEngine, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Stage]:
    database = Database(tmp_path / "repertory.db")
    migrate(database)
    base = BaseModel.load(make_base(tmp_path / "base"))
    served = [base]
    registry = Registry(database, tmp_path / "adapters")
    releases = AdapterReleases(registry, lambda: served[-1])
    settings = Settings(data_dir=tmp_path, engine_url=(engine.url,))
    driver = EngineDriver(settings, None, releases.restore)
    releases.attach(driver)
    plugin = engine.plugin
    assert plugin is not None

    def add_version() -> int:
        seed = len(registry.list())
        folder = make_adapter(tmp_path / f"adapter{seed}", seed=seed)
        version = registry.import_folder(folder, "coach", base=base, limits=ImportLimits())
        plugin.registered.add(version.engine_name)
        plugin.candidates[version.engine_name] = {token: p - seed for token, p in OWN.items()}
        return version.version

    await driver.start()
    with anyio.fail_after(10):
        await driver.wait_ready()
    yield Stage(engine, plugin, registry, releases, driver, tmp_path, served, add_version)
    await driver.stop()
    database.close()


async def test_a_used_version_is_loaded_proved_pinned_and_then_answers(stage: Stage) -> None:
    stage.add_version()
    with pytest.raises(Unavailable, match="no version in production"):
        stage.releases.resolve("coach")
    await stage.use(1)
    assert stage.releases.resolve("coach") == "coach@1"
    assert stage.plugin.resident == {"coach@1": True}


async def test_the_engine_tells_how_likely_a_text_is_under_each_version(stage: Stage) -> None:
    stage.engine.models.add("coach@1")
    assert await stage.driver.likelihood("coach@1", "a bb ccc") == [-2.0, -3.0]
    assert stage.engine.requests[-1]["prompt_logprobs"] == 0
    with pytest.raises(UpstreamFailed, match="did not weigh"):
        await stage.driver.likelihood("nobody", "a bb")


async def test_an_ungated_version_needs_an_override_before_anything_is_loaded(stage: Stage) -> None:
    stage.add_version()
    with pytest.raises(PermissionDenied):
        await stage.releases.use("coach", 1, by="ada", reason="", override=False)
    assert stage.plugin.resident == {}


async def test_a_rollback_returns_to_the_previous_version_which_was_kept_in_memory(stage: Stage) -> None:
    for version in (stage.add_version(), stage.add_version(), stage.add_version()):
        await stage.use(version)
    assert stage.plugin.resident == {"coach@1": False, "coach@2": True, "coach@3": True}
    restored = await stage.releases.rollback("coach", by="ada", reason="worse")
    assert restored.version == 2
    assert stage.releases.resolve("coach") == "coach@2"


async def test_a_rollback_without_a_previous_version_says_so(stage: Stage) -> None:
    await stage.use(stage.add_version())
    with pytest.raises(Conflict, match="no previous version"):
        await stage.releases.rollback("coach", by="ada", reason="worse")


async def test_a_version_that_answers_as_the_base_is_refused_and_the_old_one_stays(stage: Stage) -> None:
    await stage.use(stage.add_version())
    second = stage.add_version()
    stage.plugin.candidates[f"coach@{second}"] = {"Hello": -0.1, "I": -3.0}
    with pytest.raises(InvalidRequest, match="exactly as the base"):
        await stage.use(second)
    assert stage.releases.resolve("coach") == "coach@1"
    assert stage.plugin.resident == {"coach@1": True}


async def test_a_version_that_answers_otherwise_than_before_is_refused(stage: Stage) -> None:
    await stage.use(stage.add_version())
    await stage.use(stage.add_version())
    stage.plugin.candidates["coach@1"] = {"Hello": -9.0, "I": -0.01}
    await stage.releases.restore(stage.driver)  # as after a restart of the engine, with other settings
    with pytest.raises(InvalidRequest, match="no longer answers"):
        await stage.use(1)


async def test_a_version_is_probed_once_in_an_engines_life(stage: Stage) -> None:
    await stage.use(stage.add_version())
    await stage.use(stage.add_version())
    probed = len(stage.plugin.probes)
    await stage.use(1)
    await stage.releases.rollback("coach", by="ada", reason="worse")
    assert len(stage.plugin.probes) == probed
    await stage.releases.restore(stage.driver)
    assert stage.plugin.probes[probed:].count("coach@2") > 0


async def test_a_difference_that_the_base_has_from_itself_is_no_effect(stage: Stage) -> None:
    version = stage.add_version()
    stage.plugin.candidates[f"coach@{version}"] = {"Hello": -0.1, "I": -3.0}
    stage.plugin.drift = 0.02
    with pytest.raises(InvalidRequest, match="exactly as the base"):
        await stage.use(version)


async def test_a_pinned_version_is_loaded_and_answers_without_a_change_for_anybody_else(stage: Stage) -> None:
    await stage.use(stage.add_version())
    second = stage.add_version()
    assert await stage.releases.pinned("coach", second) == "coach@2"
    assert stage.plugin.resident == {"coach@1": True, "coach@2": False}
    assert stage.releases.resolve("coach") == "coach@1"


async def test_what_is_not_registered_or_of_another_base_cannot_be_pinned(stage: Stage) -> None:
    stage.add_version()
    with pytest.raises(NotFound, match="no adapter version 'coach@2'"):
        await stage.releases.pinned("coach", 2)
    stage.served.append(replace(stage.served[0], fingerprint="0" * 64))
    with pytest.raises(InvalidRequest, match="another base model"):
        await stage.releases.pinned("coach", 1)
    assert stage.plugin.resident == {}


async def test_a_restored_engine_gets_its_adapters_back(stage: Stage) -> None:
    await stage.use(stage.add_version())
    stage.engine.healthy = False
    with anyio.fail_after(20):
        while stage.driver.ready().ok:
            await anyio.sleep(0.05)
    with pytest.raises(Unavailable):
        await stage.driver.chat("base", {"messages": []})
    stage.plugin.resident.clear()
    stage.engine.healthy = True
    with anyio.fail_after(20):
        while not stage.driver.ready().ok:
            await anyio.sleep(0.05)
    assert stage.plugin.resident == {"coach@1": True}
    assert stage.releases.resolve("coach") == "coach@1"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda base: replace(base, fingerprint="0" * 64), "base_differs"),
        (lambda base: replace(base, template_hash="0" * 64), "template_differs"),
    ],
)
async def test_a_version_of_another_base_is_neither_used_nor_restored(
    stage: Stage, change: Callable[[BaseModel], BaseModel], code: str
) -> None:
    await stage.use(stage.add_version())
    second = stage.add_version()
    stage.plugin.resident.clear()
    stage.served.append(change(stage.served[0]))
    with pytest.raises(InvalidRequest) as refused:
        await stage.use(second)
    assert refused.value.code == code
    await stage.releases.restore(stage.driver)
    with pytest.raises(Unavailable, match="was made for another"):
        stage.releases.resolve("coach")
    assert stage.plugin.resident == {}


async def test_a_use_while_the_engine_gets_its_adapters_back_is_not_undone(stage: Stage) -> None:
    await stage.use(stage.add_version())
    second = stage.add_version()
    gate = stage.plugin.held["coach@1"] = threading.Event()
    used = anyio.Event()

    async def use_the_second() -> None:
        await stage.use(second)
        used.set()

    async with anyio.create_task_group() as group:
        group.start_soon(stage.releases.restore, stage.driver)
        assert await anyio.to_thread.run_sync(stage.plugin.waiting.wait, 10)
        group.start_soon(use_the_second)
        with anyio.move_on_after(0.5):  # long enough to overtake the restore, if that were possible
            await used.wait()
        gate.set()
    assert stage.releases.resolve("coach") == "coach@2"


async def test_an_engine_that_goes_away_while_it_is_filled_is_not_taken_for_a_refusal(stage: Stage) -> None:
    await stage.use(stage.add_version())
    with anyio.fail_after(10):
        await stage.driver.stop()  # closes the connections, as a dead engine does
    gone = EngineDriver(
        Settings(data_dir=stage.data_dir, engine_url=("http://127.0.0.1:9",)), None, stage.releases.restore
    )
    gone.answering = gone.admins
    with pytest.raises(Unavailable) as error:
        await stage.releases.restore(gone)
    assert error.value.code == ENGINE_UNAVAILABLE
    await gone.stop()


async def test_a_key_that_the_engine_does_not_take_is_said(stage: Stage) -> None:
    stage.plugin.refuses = True
    with pytest.raises(Unavailable, match="REPERTORY_ENGINE_API_KEY"):
        await stage.driver.admins[0].handshake()


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (None, "lacks the Repertory plug-in"),
        (FakePlugin(operators="PunicaWrapperCPU"), "mix up adapters"),
        (FakePlugin(version="0"), "needs '1'"),
    ],
)
async def test_without_the_right_handshake_no_adapter_is_served(
    engine: FakeEngine, tmp_path: Path, plugin: FakePlugin | None, reason: str
) -> None:
    engine.plugin = plugin
    database = Database(tmp_path / "repertory.db")
    migrate(database)
    base = BaseModel.load(make_base(tmp_path / "base"))
    releases = AdapterReleases(Registry(database, tmp_path / "adapters"), lambda: base)
    driver = EngineDriver(Settings(data_dir=tmp_path, engine_url=(engine.url,)), None, releases.restore)
    releases.attach(driver)
    await driver.start()
    with anyio.fail_after(10):
        await driver.wait_ready()
    with pytest.raises(Unavailable, match=reason):
        releases.resolve("coach")
    await driver.stop()
    database.close()


def test_the_distance_of_probes_counts_what_is_likely() -> None:
    assert distance(Probe({"a": -0.5}), Probe({"a": -0.7})) == pytest.approx(0.2)
    assert distance(Probe({"a": -0.5, "z": -9.0}), Probe({"a": -0.5, "z": -14.0})) == 0.0
    assert distance(Probe({"a": -0.5, "b": -1.0}), Probe({"a": -0.5})) == 10.0
