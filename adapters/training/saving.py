"""The files of a trained adapter, in the form that the registry takes."""

from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file

from adapters.training.durable import write_json

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def save_adapter(model: PeftModel, folder: Path, *, base_name: str) -> int:
    """Write the adapter in bf16; return the size of its weights in bytes.

    Args:
        model: the trained model.
        folder: where the files go.
        base_name: what the configuration calls the base; never a path of this machine.
    """
    tensors = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in sorted(get_peft_model_state_dict(model, save_embedding_layers=False).items())
    }
    beside = folder / f"{WEIGHTS}.tmp"
    save_file(tensors, beside)
    beside.replace(folder / WEIGHTS)
    config = model.peft_config["default"].to_dict()
    config.update(base_model_name_or_path=base_name, inference_mode=True)
    config["target_modules"] = sorted(config["target_modules"])
    write_json(folder / CONFIG, {key: _sorted(value) for key, value in config.items()})
    return (folder / WEIGHTS).stat().st_size


def _sorted(value: object) -> object:
    return sorted(value) if isinstance(value, set) else value
