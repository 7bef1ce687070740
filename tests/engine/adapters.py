"""Random adapters for the default base: strong enough that one cannot be taken for another."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from adapters.base import linear_layers


def write_random_adapter(folder: Path, base: Path, *, seed: int, rank: int = 8, strength: float = 0.02) -> Path:
    """Write an adapter over all linear layers of `base`; the same seed gives the same bytes."""
    random = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}
    layers = linear_layers(base)
    for module, (outputs, inputs) in sorted(layers.items()):
        a = random.standard_normal((rank, inputs), dtype=np.float32) / np.sqrt(np.float32(inputs))
        b = random.standard_normal((outputs, rank), dtype=np.float32) * np.float32(strength)
        tensors[f"base_model.model.{module}.lora_A.weight"] = a
        tensors[f"base_model.model.{module}.lora_B.weight"] = b
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.name,
        "r": rank,
        "lora_alpha": 2 * rank,
        "target_modules": sorted({module.rpartition(".")[2] for module in layers}),
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder
