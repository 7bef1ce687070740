"""The files of an adapter go away: what is in memory goes on, what needs them is refused, nobody else notices."""

import shutil
from pathlib import Path

import anyio
import pytest

from adapters.inspection import ImportLimits
from core.errors import InvalidRequest, Unavailable
from server.releases import AdapterReleases
from tests.adapters.tiny import make_adapter
from tests.server.test_releases import Stage, engine, stage

__all__ = ["engine", "stage"]
pytestmark = pytest.mark.anyio


async def test_a_version_without_its_files_is_refused_and_the_one_that_answers_goes_on(stage: Stage) -> None:
    await stage.use(stage.add_version())
    second = stage.add_version()
    shutil.rmtree(stage.registry.path("coach", second))
    with pytest.raises(InvalidRequest, match="holds no finished adapter version"):
        await stage.use(second)
    assert stage.releases.resolve("coach") == "coach@1"
    assert stage.plugin.resident == {"coach@1": True}


async def test_a_rollback_to_a_version_without_its_files_is_refused_and_the_new_one_goes_on(stage: Stage) -> None:
    await stage.use(stage.add_version())
    await stage.use(stage.add_version())
    (stage.registry.path("coach", 1) / "adapter_model.safetensors").unlink()
    with pytest.raises(InvalidRequest, match="differ from their manifest"):
        await stage.releases.rollback("coach", by="ada", reason="worse")
    assert stage.releases.resolve("coach") == "coach@2"


async def test_an_adapter_in_memory_goes_on_answering_when_its_files_vanish(stage: Stage) -> None:
    await stage.use(stage.add_version())
    shutil.rmtree(stage.registry.path("coach", 1))
    name = stage.releases.resolve("coach")
    answer = await stage.driver.chat(name, {"messages": [{"role": "user", "content": "Hi"}]})
    assert answer["choices"][0]["message"]["content"] == "Hello from the engine."


async def test_at_a_restart_only_the_adapter_without_files_is_refused_and_it_returns_with_them(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.use(stage.add_version())
    folder = make_adapter(tmp_path / "clerk", seed=7)
    clerk = stage.registry.import_folder(folder, "clerk", base=stage.served[-1], limits=ImportLimits())
    stage.plugin.registered.add("clerk@1")
    stage.plugin.candidates["clerk@1"] = {"Hello": -4.0}
    stage.registry.promote("clerk", clerk.version, by="ada", reason="test", override=True)
    place, aside = stage.registry.path("clerk", 1), tmp_path / "aside"
    place.rename(aside)
    restarted = AdapterReleases(stage.registry, lambda: stage.served[-1], retry_seconds=0.05)
    restarted.attach(stage.driver)

    await restarted.restore(stage.driver)

    assert restarted.resolve("coach") == "coach@1"
    with pytest.raises(Unavailable, match="holds no finished adapter version") as refused:
        restarted.resolve("clerk")
    assert refused.value.retry_after is not None
    aside.rename(place)
    with anyio.fail_after(30):
        while (served := _served(restarted, "clerk")) is None:
            await anyio.sleep(0.02)
    assert served == "clerk@1"
    await restarted.aclose()


def _served(releases: AdapterReleases, name: str) -> str | None:
    try:
        return releases.resolve(name)
    except Unavailable:
        return None
