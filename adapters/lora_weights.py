"""The tensors of an adapter, held against the base: every one must map, fit, be finite and have an effect."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from adapters.lora_config import LoraSettings
from adapters.refusal import AdapterRefused
from adapters.tensorfile import TensorFile, read_header

_PREFIX = "base_model.model."
_TENSOR = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])\.weight")

# Number format → its width in bytes, and the bits of its exponent: all set means infinite or not a number.
_FLOATS = {"BF16": (2, 0x7F80), "F16": (2, 0x7C00), "F32": (4, 0x7F800000)}


def check_weights(path: Path, settings: LoraSettings, linear: Mapping[str, tuple[int, int]]) -> int:
    """Check the tensors in `path`; return the number of modules that they change.

    Args:
        path: the safetensors file.
        settings: what the configuration says of them.
        linear: module name → (outputs, inputs) of the base.

    Raises:
        AdapterRefused: a tensor cannot be served on this base.
        TensorFileDamaged: the file is cut off or malformed.
    """
    tensors = read_header(path)
    pairs = _pairs(tensors)
    _check_mapping(pairs, settings, linear)
    for module, sides in pairs.items():
        _check_shapes(module, sides, settings, linear[module])
    _check_values(path, pairs)
    return len(pairs)


def _pairs(tensors: Mapping[str, TensorFile]) -> dict[str, dict[str, TensorFile]]:
    pairs: dict[str, dict[str, TensorFile]] = {}
    for name, tensor in tensors.items():
        if "lora_embedding" in name:
            raise AdapterRefused(
                "lora_embedding",
                f"The adapter changes the embedding ({name!r}). Train it on linear layers only.",
            )
        if "lora_magnitude_vector" in name:
            raise AdapterRefused("dora", f"The adapter holds DoRA magnitudes ({name!r}). Train a plain LoRA.")
        match = _TENSOR.fullmatch(name)
        if match is None or not name.startswith(_PREFIX):
            code = "bias" if name.endswith(".bias") else "tensor_unknown"
            raise AdapterRefused(
                code,
                f"The tensor {name!r} is no LoRA matrix of a linear layer. Save the adapter again with "
                "`save_pretrained` of PEFT.",
            )
        sides = pairs.setdefault(match["module"].removeprefix(_PREFIX), {})
        if match["side"] in sides:
            raise AdapterRefused("tensor_unknown", f"The tensor {name!r} is there twice. Save the adapter again.")
        sides[match["side"]] = tensor
    for module, sides in pairs.items():
        if len(sides) < 2:
            raise AdapterRefused(
                "pair_incomplete", f"The layer {module!r} has one LoRA matrix of two. Save it again."
            )
    return pairs


def _check_mapping(
    pairs: Mapping[str, dict[str, TensorFile]], settings: LoraSettings, linear: Mapping[str, tuple[int, int]]
) -> None:
    unmapped = sorted(module for module in pairs if module not in linear)
    if not pairs or unmapped:
        example = f" ({unmapped[0]!r} is one that is not)" if unmapped else ""
        raise AdapterRefused(
            "modules_unmapped",
            f"{len(pairs) - len(unmapped)} of {len(pairs)} layers of the adapter are layers of the "
            f"base{example}; the "
            "engine would silently answer as the base. Train it on the base that is served here.",
        )
    if not settings.targets or not settings.every_layer:
        return
    wanted = {
        module
        for module in linear
        if any(module == target or module.endswith(f".{target}") for target in settings.targets)
    }
    if missing := sorted(wanted - pairs.keys()):
        raise AdapterRefused(
            "modules_missing",
            f"{len(missing)} of the {len(wanted)} layers that the configuration targets have no matrices, "
            "such as "
            f"{missing[0]!r}. Save the adapter again.",
        )
    if beyond := sorted(pairs.keys() - wanted):
        raise AdapterRefused(
            "modules_untargeted",
            f"The layer {beyond[0]!r} has matrices, but the configuration does not target it. Save the "
            "adapter again.",
        )


def _check_shapes(
    module: str, sides: Mapping[str, TensorFile], settings: LoraSettings, base: tuple[int, int]
) -> None:
    outputs, inputs = base
    rank = settings.rank_of(module)
    down, up = sides["A"], sides["B"]
    for tensor in (down, up):
        if tensor.dtype not in _FLOATS:
            raise AdapterRefused(
                "dtype_unsupported",
                f"The layer {module!r} is stored as {tensor.dtype}. Save the adapter in bf16 or fp32.",
            )
    if len(down.shape) != 2 or len(up.shape) != 2 or (down.shape[1], up.shape[0]) != (inputs, outputs):
        raise AdapterRefused(
            "shape_mismatch",
            f"The layer {module!r} has matrices {list(down.shape)} and {list(up.shape)}; the base has "
            f"{inputs} inputs "
            f"and {outputs} outputs there. Train it on the base that is served here.",
        )
    if (down.shape[0], up.shape[1]) != (rank, rank):
        raise AdapterRefused(
            "rank_mismatch",
            f"The layer {module!r} has rank {down.shape[0]} and {up.shape[1]}, the configuration says "
            f"{rank}. "
            "Save the adapter again.",
        )


def _check_values(path: Path, pairs: Mapping[str, Mapping[str, TensorFile]]) -> None:
    effect = False
    for module, sides in pairs.items():
        moves = [_is_not_zero(path, tensor, module) for tensor in (sides["A"], sides["B"])]
        effect = effect or all(moves)
    if not effect:
        raise AdapterRefused(
            "without_effect",
            "Each layer has a matrix of zeros, so that the adapter changes nothing. Train it.",
        )


def _is_not_zero(path: Path, tensor: TensorFile, module: str) -> bool:
    width, exponent = _FLOATS[tensor.dtype]
    count = (tensor.end - tensor.start) // width
    bits = np.memmap(path, np.dtype(f"<u{width}"), "r", tensor.start, (count,))
    if bool(((bits & exponent) == exponent).any()):
        raise AdapterRefused(
            "weights_not_finite", f"The layer {module!r} holds a NaN or an infinity. The training diverged."
        )
    return bool((bits << 1).any())  # the sign is shifted out: minus zero is zero
