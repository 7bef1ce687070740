"""Every refusal at the door of the registry, each with a folder that earns it."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from adapters import AdapterRefused, BaseModel, ImportLimits, Registry
from core.errors import InvalidRequest
from tests.adapters.conftest import LIMITS
from tests.adapters.tiny import (
    HIDDEN,
    RANK,
    Tensors,
    adapter_config,
    adapter_tensors,
    make_adapter,
    make_tokenizer,
    write_json,
)

Q = "base_model.model.model.layers.0.self_attn.q_proj"
A, B = f"{Q}.lora_A.weight", f"{Q}.lora_B.weight"


def take(registry: Registry, base: BaseModel, folder: Path) -> str:
    """Return the code with which the folder is refused, having seen that nothing is left of it."""
    with pytest.raises(InvalidRequest) as refusal:
        registry.import_folder(folder, "coach", base=base, limits=LIMITS)
    assert registry.list() == []
    left = registry.path("coach", 1).parent
    assert not left.exists() or list(left.iterdir()) == []
    assert refusal.value.message.rstrip().endswith(".")
    return refusal.value.code


CONFIGS: list[tuple[str, dict[str, object]]] = [
    ("dora", {"use_dora": True}),
    ("bias", {"bias": "all"}),
    ("bias", {"bias": "lora_only"}),
    ("bias", {"lora_bias": True}),
    ("modules_to_save", {"modules_to_save": ["lm_head"]}),
    ("added_tokens", {"trainable_token_indices": [5]}),
    ("init_alters_base", {"init_lora_weights": "pissa"}),
    ("init_alters_base", {"init_lora_weights": "pissa_niter_4"}),
    ("init_alters_base", {"init_lora_weights": "olora"}),
    ("init_alters_base", {"init_lora_weights": "corda"}),
    ("init_alters_base", {"init_lora_weights": "loftq"}),
    ("init_alters_base", {"init_lora_weights": ["pissa"]}),
    ("init_alters_base", {"loftq_config": {"loftq_bits": 4}}),
    ("rank_too_high", {"r": 9}),
    ("rank_too_high", {"rank_pattern": {"q_proj": 64}}),
    ("rank_invalid", {"r": 0}),
    ("rank_invalid", {"r": True}),
    ("rank_invalid", {"r": "8"}),
    ("rank_invalid", {"rank_pattern": {"q_proj": -1}}),
    ("alpha_invalid", {"lora_alpha": float("nan")}),
    ("alpha_invalid", {"lora_alpha": None}),
    ("alpha_invalid", {"lora_alpha": 10**400}),
    ("alpha_invalid", {"lora_alpha": float("inf")}),
    ("targets_missing", {"target_modules": None}),
    ("targets_missing", {"target_modules": []}),
    ("targets_missing", {"target_modules": {"q_proj": True}}),
    ("alpha_invalid", {"alpha_pattern": {"q_proj": "8"}}),
    ("pattern_unsafe", {"rank_pattern": {"(a+)+$": 4}}),
    ("pattern_unsafe", {"alpha_pattern": {"(a|a)*": 4}}),
    ("remote_code", {"auto_mapping": {"base_model_class": "Evil", "parent_library": "evil"}}),
    ("not_lora", {"peft_type": "IA3"}),
    ("not_lora", {"peft_type": "PROMPT_TUNING"}),
    ("not_lora", {"peft_type": None}),
    ("task_unsupported", {"task_type": "SEQ_CLS"}),
    ("alora", {"alora_invocation_tokens": [1, 2]}),
    ("layer_replication", {"layer_replication": [[0, 1], [0, 1]]}),
    ("target_parameters", {"target_parameters": ["experts.down_proj"]}),
    ("config_unknown", {"use_qalora": True}),
    ("config_unknown", {"feature_of_next_year": {"on": True}}),
    ("config_unknown", {"fan_in_fan_out": True}),
]


@pytest.mark.parametrize(("code", "changes"), CONFIGS, ids=lambda value: str(value)[:60])
def test_a_configuration_that_cannot_be_served_is_refused_by_name(
    registry: Registry, base: BaseModel, tmp_path: Path, code: str, changes: dict[str, object]
) -> None:
    folder = make_adapter(tmp_path / "folder", config=adapter_config(**changes))
    assert take(registry, base, folder) == code


def _put(name: str, value: np.ndarray) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.update({name: value.astype(value.dtype)})


def _renamed(before: str, after: str) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        for name in [name for name in tensors if before in name]:
            tensors[name.replace(before, after)] = tensors.pop(name)

    return change


def _without(part: str) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        for name in [name for name in tensors if part in name]:
            del tensors[name]

    return change


def _times(part: str, factor: float) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        for name in [name for name in tensors if part in name]:
            tensors[name] = tensors[name] * np.float32(factor)

    return change


WEIGHTS: list[tuple[str, Callable[[Tensors], None]]] = [
    ("modules_unmapped", _renamed("model.layers", "model.language_model.layers")),
    ("modules_unmapped", _renamed("layers.1.", "layers.7.")),
    ("modules_unmapped", _without("lora")),
    ("modules_unmapped", _put("base_model.model.lm_head.lora_A.weight", np.ones((RANK, HIDDEN), np.float32))),
    ("modules_missing", _without("layers.1.mlp.up_proj")),
    ("pair_incomplete", _without(B)),
    ("lora_embedding", _put("base_model.model.model.embed_tokens.lora_embedding_A", np.ones((4, 9), np.float32))),
    ("dora", _put(f"{Q}.lora_magnitude_vector", np.ones(HIDDEN, np.float32))),
    ("bias", _put(f"{Q}.bias", np.ones(HIDDEN, np.float32))),
    ("tensor_unknown", _put("base_model.model.score.weight", np.ones((2, HIDDEN), np.float32))),
    ("tensor_unknown", _renamed("base_model.model.", "")),
    ("tensor_unknown", _renamed(".weight", ".default.weight")),
    ("shape_mismatch", _put(A, np.ones((RANK, HIDDEN + 1), np.float32))),
    ("shape_mismatch", _put(B, np.ones((HIDDEN * 2, RANK), np.float32))),
    ("shape_mismatch", _put(A, np.ones(RANK * HIDDEN, np.float32))),
    ("rank_mismatch", _put(A, np.ones((RANK + 1, HIDDEN), np.float32))),
    ("dtype_unsupported", _put(A, np.ones((RANK, HIDDEN), np.int8))),
    ("dtype_unsupported", _put(A, np.ones((RANK, HIDDEN), np.float64))),
    ("weights_not_finite", _put(A, np.full((RANK, HIDDEN), np.nan, np.float32))),
    ("weights_not_finite", _put(B, np.full((HIDDEN, RANK), -np.inf, np.float16))),
    ("without_effect", _times("lora_B", 0.0)),
    ("without_effect", _times("lora_A", -0.0)),
]


@pytest.mark.parametrize(
    ("code", "change"), WEIGHTS, ids=[f"{place}-{code}" for place, (code, _) in enumerate(WEIGHTS)]
)
def test_weights_that_do_not_fit_the_base_are_refused_by_name(
    registry: Registry, base: BaseModel, tmp_path: Path, code: str, change: Callable[[Tensors], None]
) -> None:
    tensors = adapter_tensors()
    if _changes_only_lm_head(change):
        tensors["base_model.model.lm_head.lora_B.weight"] = np.ones((259, RANK), np.float32)
    change(tensors)
    assert take(registry, base, make_adapter(tmp_path / "folder", tensors=tensors)) == code


def _changes_only_lm_head(change: Callable[[Tensors], None]) -> bool:
    probe: Tensors = {}
    change(probe)
    return any("lm_head" in name for name in probe)


def test_a_layer_with_a_rank_of_its_own_is_taken_in(registry: Registry, base: BaseModel, tmp_path: Path) -> None:
    tensors = adapter_tensors()
    tensors[A], tensors[B] = np.ones((8, HIDDEN), np.float32), np.ones((HIDDEN, 8), np.float32)
    config = adapter_config(rank_pattern={"layers.0.self_attn.q_proj": 8})
    folder = make_adapter(tmp_path / "folder", config=config, tensors=tensors)
    assert registry.import_folder(folder, "coach", base=base, limits=LIMITS).rank == 8


def _symlink(folder: Path) -> None:
    weights = folder / "adapter_model.safetensors"
    weights.rename(folder.parent / "elsewhere.safetensors")
    weights.symlink_to(folder.parent / "elsewhere.safetensors")


def _pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def _fifo(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()
    os.mkfifo(folder / "adapter_config.json")


def _truncated(folder: Path) -> None:
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])


def _trailing(folder: Path) -> None:
    with (folder / "adapter_model.safetensors").open("ab") as file:
        file.write(b"hidden")


def _header(length: int, text: bytes) -> Callable[[Path], None]:
    return lambda folder: _write(folder, struct.pack("<Q", length) + text)


def _write(folder: Path, content: bytes) -> None:
    (folder / "adapter_model.safetensors").write_bytes(content)


def _text(file: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / file).write_text(text)

    return write


def _encoded(encoding: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        config = folder / "adapter_config.json"
        config.write_bytes(config.read_text().encode(encoding))

    return write


def _targetless(folder: Path) -> None:
    config = adapter_config()
    del config["target_modules"]
    write_json(folder / "adapter_config.json", config)


def _overlap(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({A: entry, B: entry}).encode()
    _write(folder, struct.pack("<Q", len(header)) + header + b"\0\0\0\0")


def _tokens(folder: Path) -> None:
    write_json(folder / "added_tokens.json", {"<new>": 999_999})


def _tokenizer(folder: Path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["<new>"])
    tokenizer.save(str(folder / "tokenizer.json"))


def _record(fingerprint: str | None, template: str | None) -> Callable[[Path], None]:
    content: dict[str, object] = {"base": {"fingerprint": fingerprint}, "template": {"sha256": template}}
    return lambda folder: write_json(folder / "run.json", content)


FOLDERS: list[tuple[str, Callable[[Path], None]]] = [
    ("symlink", _symlink),
    ("not_safetensors", _pickle),
    ("weights_missing", lambda folder: (folder / "adapter_model.safetensors").unlink()),
    ("config_missing", lambda folder: (folder / "adapter_config.json").unlink()),
    ("config_unreadable", _text("adapter_config.json", "{")),
    ("config_unreadable", _text("adapter_config.json", "[]")),
    ("config_unreadable", _text("adapter_config.json", "[" * 100_000)),
    ("config_unreadable", _encoded("utf-16")),
    ("config_unreadable", _encoded("utf-8-sig")),
    ("targets_missing", _targetless),
    ("file_too_large", lambda folder: os.truncate(folder / "adapter_model.safetensors", 1_000_001)),
    ("file_too_large", _text("adapter_config.json", " " * 4_000_001)),
    ("not_a_file", _fifo),
    ("remote_code", lambda folder: (folder / "modeling_evil.py").touch()),
    ("added_tokens", lambda folder: (folder / "new_embeddings.safetensors").touch()),
    ("added_tokens", _tokens),
    ("added_tokens", _tokenizer),
    ("vocabulary_unreadable", _text("tokenizer.json", "{{")),
    ("vocabulary_unreadable", _text("tokenizer.json", "[" * 100_000)),
    ("vocabulary_unreadable", _text("added_tokens.json", '{"a":' * 100_000)),
    ("vocabulary_unreadable", _text("added_tokens.json", '{"<new>": 1e999}')),
    ("weights_damaged", _truncated),
    ("weights_damaged", _trailing),
    ("weights_damaged", lambda folder: _write(folder, b"\x01")),
    ("weights_damaged", _header(1 << 62, b"{}")),
    ("weights_damaged", _header(2, b"[]")),
    ("weights_damaged", _header(2, b"{{")),
    ("weights_damaged", _overlap),
    ("record_unreadable", _text("run.json", "?")),
    ("record_unreadable", _record(None, None)),
    ("base_differs", _record("0" * 64, "0" * 64)),
]


@pytest.mark.parametrize(
    ("code", "spoil"), FOLDERS, ids=[f"{place}-{code}" for place, (code, _) in enumerate(FOLDERS)]
)
def test_a_folder_with_a_trap_in_it_is_refused_by_name(
    registry: Registry, base: BaseModel, tmp_path: Path, code: str, spoil: Callable[[Path], None]
) -> None:
    folder = make_adapter(tmp_path / "folder")
    spoil(folder)
    assert take(registry, base, folder) == code


def test_a_folder_that_is_a_link_or_missing_is_refused(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    make_adapter(tmp_path / "folder")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert take(registry, base, tmp_path / "link") == "not_a_folder"
    assert take(registry, base, tmp_path / "absent") == "not_a_folder"


def test_an_adapter_trained_under_another_template_is_refused(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    folder = make_adapter(tmp_path / "folder")
    _record(base.fingerprint, "0" * 64)(folder)
    assert take(registry, base, folder) == "template_differs"


def test_an_adapter_with_the_right_record_is_taken_in_without_a_warning(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    folder = make_adapter(tmp_path / "folder")
    _record(base.fingerprint, base.template_hash)(folder)
    assert registry.import_folder(folder, "coach", base=base, limits=LIMITS).warnings == ()


def test_an_adapter_without_a_record_is_taken_in_with_a_warning(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    version = registry.import_folder(make_adapter(tmp_path / "folder"), "coach", base=base, limits=LIMITS)
    assert [warning.partition(":")[0] for warning in version.warnings] == ["base_unproven"]
    assert registry.verify("coach", 1)["warnings"] == list(version.warnings)


def test_a_version_exported_from_another_registry_must_be_of_the_same_base(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    folder = make_adapter(tmp_path / "folder")
    write_json(folder / "manifest.json", {"base_fingerprint": "0" * 64, "template_hash": base.template_hash})
    assert take(registry, base, folder) == "base_differs"


@pytest.mark.parametrize("name", ["", "Coach", "../coach", "coach@1", "a/b", "-a", "a.b", "coach\n", "x" * 65])
def test_a_name_that_is_no_engine_name_is_refused(
    registry: Registry, base: BaseModel, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        registry.import_folder(make_adapter(tmp_path / "folder"), name, base=base, limits=LIMITS)
    assert refusal.value.code == "adapter_name_invalid"
    assert not (tmp_path / "adapters").exists()


def test_the_message_of_a_rank_too_high_names_the_setting(
    registry: Registry, base: BaseModel, tmp_path: Path
) -> None:
    with pytest.raises(AdapterRefused, match="max_lora_rank"):
        registry.import_folder(
            make_adapter(tmp_path / "folder"), "coach", base=base, limits=ImportLimits(max_rank=2)
        )


def test_half_precision_is_as_good_as_single(registry: Registry, base: BaseModel, tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "folder")
    halves = {name: tensor.astype(np.float16) for name, tensor in adapter_tensors().items()}
    save_file(halves, folder / "adapter_model.safetensors")
    assert registry.import_folder(folder, "coach", base=base, limits=LIMITS).rank == RANK
