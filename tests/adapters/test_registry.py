"""Versions: numbered once, whole or absent, and unchanged ever after."""

import shutil
import threading
from pathlib import Path

import pytest

from adapters import AdapterVersion, BaseModel, Registry
from adapters.manifest import MANIFEST, read_manifest
from adapters.store import AdapterStore
from adapters.version import Lineage
from core.database import Database
from core.errors import InvalidRequest, NotFound
from tests.adapters.conftest import LIMITS, Ticker
from tests.adapters.tiny import make_adapter


def take(registry: Registry, base: BaseModel, folder: Path, name: str = "coach") -> AdapterVersion:
    return registry.import_folder(folder, name, base=base, limits=LIMITS)


def test_versions_are_numbered_from_one_and_keep_their_files(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    made = [take(registry, base, make_adapter(tmp_path / str(seed), seed=seed)) for seed in range(3)]
    shutil.rmtree(tmp_path / "0")
    assert [version.engine_name for version in made] == ["coach@1", "coach@2", "coach@3"]
    assert registry.list("coach") == made
    assert sorted(path.name for path in registry.path("coach", 1).iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
    ]
    assert registry.verify("coach", 1)["digest"] == made[0].digest


def test_the_same_adapter_again_is_the_same_version(registry: Registry, base: BaseModel, tmp_path: Path) -> None:
    first = take(registry, base, make_adapter(tmp_path / "a"))
    again = take(registry, base, make_adapter(tmp_path / "b"))
    assert again == first
    assert registry.list() == [first]
    assert [path.name for path in registry.path("coach", 1).parent.iterdir()] == ["1"]


def test_the_same_adapter_under_two_names_is_two_versions(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    folder = make_adapter(tmp_path / "a")
    assert take(registry, base, folder, "coach").digest == take(registry, base, folder, "agent").digest
    assert [version.engine_name for version in registry.list()] == ["agent@1", "coach@1"]


def test_two_writers_never_share_a_number(base: BaseModel, database: Database, tmp_path: Path) -> None:
    folders = [make_adapter(tmp_path / f"in{seed}", seed=seed) for seed in range(8)]
    barrier = threading.Barrier(len(folders))
    made: list[AdapterVersion] = []

    def write(folder: Path) -> None:
        own = Database(database.path)
        registry = Registry(own, tmp_path / "adapters", Ticker())
        barrier.wait()
        made.append(take(registry, base, folder))
        own.close()

    writers = [threading.Thread(target=write, args=(folder,)) for folder in folders]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(version.version for version in made) == list(range(1, 9))
    for version in made:
        manifest = read_manifest(version.path)
        assert (manifest["version"], manifest["digest"]) == (version.version, version.digest)


def test_two_writers_of_one_adapter_get_one_version(
    base: BaseModel, database: Database, registry: Registry, tmp_path: Path
) -> None:
    folder = make_adapter(tmp_path / "in")
    barrier = threading.Barrier(4)
    made: list[AdapterVersion] = []

    def write() -> None:
        barrier.wait()
        made.append(take(registry, base, folder))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert {version.engine_name for version in made} == {"coach@1"}


class Crash(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


class CrashingStore(AdapterStore):
    """A store whose process ends before or after the rename."""

    def __init__(self, root: Path, *, renamed: bool) -> None:
        super().__init__(root)
        self.renamed = renamed

    def place(self, incoming: Path, name: str, version: int) -> Path:
        if self.renamed:
            super().place(incoming, name, version)
        raise Crash


class CrashingRegistry(Registry):
    """A registry over such a store."""

    def __init__(self, database: Database, root: Path, *, renamed: bool) -> None:
        super().__init__(database, root, Ticker())
        self._store = CrashingStore(root, renamed=renamed)


@pytest.mark.parametrize("renamed", [False, True])
def test_a_crash_in_between_leaves_no_version(
    database: Database, base: BaseModel, registry: Registry, tmp_path: Path, renamed: bool
) -> None:
    folder = make_adapter(tmp_path / "in")
    crashing = CrashingRegistry(database, tmp_path / "adapters", renamed=renamed)
    with pytest.raises(Crash):
        take(crashing, base, folder)
    assert registry.list() == []
    registry.reconcile()
    assert list((tmp_path / "adapters" / "coach").iterdir()) == []
    assert take(registry, base, folder).engine_name == "coach@1"


def test_an_import_after_a_crash_does_not_touch_the_folder_that_it_left(
    database: Database, base: BaseModel, registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(Crash):
        take(CrashingRegistry(database, tmp_path / "adapters", renamed=True), base, make_adapter(tmp_path / "a"))
    assert take(registry, base, make_adapter(tmp_path / "b", seed=1)).engine_name == "coach@2"


def test_reconciling_keeps_what_is_registered(registry: Registry, base: BaseModel, tmp_path: Path) -> None:
    version = take(registry, base, make_adapter(tmp_path / "in"))
    registry.reconcile()
    assert registry.verify(version.name, version.version)["version"] == 1


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors", MANIFEST])
def test_a_file_that_changed_or_went_is_noticed(
    registry: Registry, base: BaseModel, tmp_path: Path, file: str
) -> None:
    path = take(registry, base, make_adapter(tmp_path / "in")).path / file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InvalidRequest):
        registry.verify("coach", 1)
    path.unlink()
    with pytest.raises(InvalidRequest):
        registry.verify("coach", 1)


def test_a_version_swapped_for_another_whole_one_is_noticed(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    for seed in range(2):
        take(registry, base, make_adapter(tmp_path / str(seed), seed=seed))
    shutil.rmtree(registry.path("coach", 1))
    registry.path("coach", 2).rename(registry.path("coach", 1))
    with pytest.raises(InvalidRequest) as damage:
        registry.verify("coach", 1)
    assert damage.value.code == "adapter_damaged"


def test_a_version_that_does_not_exist_is_not_found(registry: Registry) -> None:
    for ask in (registry.get, registry.verify):
        with pytest.raises(NotFound, match="coach@7"):
            ask("coach", 7)


def test_a_parent_must_exist(registry: Registry, base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        registry.import_folder(make_adapter(tmp_path / "a"), "coach", base=base, limits=LIMITS, lineage=Lineage(3))
    take(registry, base, tmp_path / "a")
    child = make_adapter(tmp_path / "b", seed=1)
    registry.import_folder(child, "coach", base=base, limits=LIMITS, lineage=Lineage(1))
    assert registry.verify("coach", 2)["parent"] == 1


def test_a_probe_is_kept_until_the_next(registry: Registry, base: BaseModel, tmp_path: Path) -> None:
    take(registry, base, make_adapter(tmp_path / "in"))
    assert registry.probe("coach", 1) is None
    registry.store_probe("coach", 1, {"prompts": [{"logprobs": {"a": -0.5}}]})
    registry.store_probe("coach", 1, {"prompts": [{"logprobs": {"a": -0.25}}]})
    assert registry.probe("coach", 1) == {"prompts": [{"logprobs": {"a": -0.25}}]}
    with pytest.raises(NotFound):
        registry.store_probe("coach", 2, {})


def test_reconciling_removes_the_copy_of_a_killed_import_and_leaves_one_that_is_still_made(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    store, folder = AdapterStore(tmp_path / "adapters"), make_adapter(tmp_path / "in")
    abandoned = tmp_path / "adapters" / "coach" / ".incoming-killed"
    abandoned.mkdir(parents=True)
    (abandoned / "adapter_config.json").write_text("{")
    with store.incoming("coach", folder) as copy:
        registry.reconcile()
        assert (copy / "adapter_model.safetensors").exists()
    assert not abandoned.exists()
    assert list((tmp_path / "adapters" / "coach").iterdir()) == []
