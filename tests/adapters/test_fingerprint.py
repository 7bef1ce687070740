"""A fingerprint follows what a base computes, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from adapters.fingerprint import base_fingerprint
from core.errors import InvalidRequest
from tests.adapters.tiny import make_base


def _config(**changes: object) -> Callable[[Path], None]:
    def change(base: Path) -> None:
        path = base / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def _weights(change: Callable[[dict[str, np.ndarray]], None]) -> Callable[[Path], None]:
    def write(base: Path) -> None:
        tensors = load_file(base / "model.safetensors")
        change(tensors)
        save_file(tensors, base / "model.safetensors", metadata={"saved_by": "another library"})

    return write


def _split(base: Path) -> None:
    tensors = load_file(base / "model.safetensors")
    (base / "model.safetensors").unlink()
    names = sorted(tensors)
    weight_map = {}
    for number, part in enumerate((names[:5], names[5:])):
        file = f"model-{number}.safetensors"
        save_file({name: tensors[name] for name in part}, base / file)
        weight_map.update(dict.fromkeys(part, file))
    (base / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def _flip(tensors: dict[str, np.ndarray]) -> None:
    tensors["model.norm.weight"][3] = np.nextafter(np.float32(1), np.float32(2))


def _tokenizer(base: Path) -> None:
    path = base / "tokenizer.json"
    path.write_text(path.read_text().replace('"<|im_end|>"', '"<|im_over|>"'))


SAME = [
    _config(transformers_version="9.9", use_cache=False, _name_or_path="/elsewhere"),
    _weights(lambda tensors: None),
    _split,
]
OTHER = [
    _config(rms_norm_eps=1e-6),
    _config(rope_theta=5e5),
    _config(quantization_config={"bits": 4}),
    _weights(_flip),
    _weights(
        lambda tensors: tensors.update({"model.norm.weight": tensors["model.norm.weight"].astype(np.float16)})
    ),
    _weights(lambda tensors: tensors.update({"extra": np.ones(1, np.float32)})),
    _tokenizer,
]


@pytest.mark.parametrize("change", SAME)
def test_files_written_otherwise_are_the_same_base(
    tmp_path: Path, base_dir: Path, change: Callable[[Path], None]
) -> None:
    base = make_base(tmp_path / "base")
    change(base)
    assert base_fingerprint(base) == base_fingerprint(base_dir)


@pytest.mark.parametrize("change", OTHER)
def test_whatever_changes_an_answer_changes_the_fingerprint(
    tmp_path: Path, base_dir: Path, change: Callable[[Path], None]
) -> None:
    base = make_base(tmp_path / "base")
    change(base)
    assert base_fingerprint(base) != base_fingerprint(base_dir)


def test_older_and_newer_spellings_of_rotary_embeddings_are_the_same_base(tmp_path: Path) -> None:
    old, new = make_base(tmp_path / "old"), make_base(tmp_path / "new")
    _config(rope_theta=5e5, rope_scaling=None)(old)
    _config(rope_parameters={"rope_theta": 5e5, "rope_type": "default"})(new)
    assert base_fingerprint(old) == base_fingerprint(new)


def test_the_cache_answers_until_a_file_changes(tmp_path: Path) -> None:
    base, cache = make_base(tmp_path / "base"), tmp_path / "cache.json"
    first = base_fingerprint(base, cache=cache)
    known = json.loads(cache.read_text())
    cache.write_text(json.dumps(dict.fromkeys(known, "remembered")))
    assert base_fingerprint(base, cache=cache) == "remembered"
    _weights(_flip)(base)
    assert base_fingerprint(base, cache=cache) not in ("remembered", first)


def test_a_damaged_cache_is_no_obstacle(tmp_path: Path, base_dir: Path) -> None:
    (tmp_path / "cache.json").write_text("{{")
    assert base_fingerprint(base_dir, cache=tmp_path / "cache.json") == base_fingerprint(base_dir)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_base_that_lacks_a_file_is_refused(tmp_path: Path, file: str) -> None:
    base = make_base(tmp_path / "base")
    (base / file).unlink()
    with pytest.raises(InvalidRequest) as refusal:
        base_fingerprint(base)
    assert refusal.value.code == "base_incomplete"


def test_no_machine_learning_library_is_loaded_by_importing_the_adapters() -> None:
    heavy = "torch", "transformers", "peft", "trl", "vllm", "datasets"
    script = f"import sys, adapters; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
