"""PEFT's `adapter_config.json`, read with suspicion: only a plain LoRA on linear layers passes.

What vLLM refuses, ignores or would compute differently is refused here by name. A field that this file does
not know is refused too, unless it is empty: it may change what the adapter computes.
"""

import json
import re
import sys
from dataclasses import dataclass

from adapters.refusal import AdapterRefused

_PLAIN_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_HARMLESS_INITS = (True, False, None, "gaussian", "eva", "orthogonal", "mica")

# Fields that say nothing about what a finished adapter computes, or are read below.
_KNOWN = frozenset(
    [
        "alpha_pattern",
        "base_model_name_or_path",
        "bias",
        "eva_config",
        "exclude_modules",
        "fan_in_fan_out",
        "inference_mode",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "megatron_core",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "r",
        "rank_pattern",
        "revision",
        "runtime_config",
        "target_modules",
        "task_type",
        "use_rslora",
    ]
)

_REFUSED = {
    "use_dora": ("dora", "is a DoRA, which the engine does not serve"),
    "lora_bias": ("bias", "carries biases, which the engine ignores"),
    "modules_to_save": (
        "modules_to_save",
        "replaces whole modules (modules_to_save), which several personas share",
    ),
    "auto_mapping": ("remote_code", "asks for code of its own (auto_mapping)"),
    "alora_invocation_tokens": ("alora", "is an activated LoRA, which the engine does not serve"),
    "layer_replication": ("layer_replication", "repeats layers of the base, which the engine does not serve"),
    "trainable_token_indices": ("added_tokens", "trains tokens of the vocabulary, which all personas share"),
    "loftq_config": ("init_alters_base", "started from a changed base (LoftQ)"),
    "corda_config": ("init_alters_base", "started from a changed base (CorDA)"),
    "lora_ga_config": ("init_alters_base", "started from a changed base (LoRA-GA)"),
    "target_parameters": (
        "target_parameters",
        "changes bare parameters (target_parameters) instead of linear layers",
    ),
}


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """What is left of the configuration once it has passed.

    Attributes:
        rank: rank of every layer that no pattern names.
        rank_pattern: name, or end of a name, of a layer → its rank.
        max_rank: the highest rank.
        targets: ends of names of the layers to change; empty where the configuration does not list them.
        every_layer: whether `targets` must be found in each layer of the base.
    """

    rank: int
    rank_pattern: dict[str, int]
    max_rank: int
    targets: tuple[str, ...]
    every_layer: bool

    def rank_of(self, module: str) -> int:
        """Return the rank of `module`, by PEFT's rule: the first pattern that ends its name."""
        for pattern, rank in self.rank_pattern.items():
            if module == pattern or module.endswith(f".{pattern}"):
                return rank
        return self.rank


def read_lora_config(raw: bytes, *, max_rank: int) -> LoraSettings:
    """Return the settings of a servable LoRA.

    Raises:
        AdapterRefused: the configuration is none, or asks for what cannot be served.
    """
    config = _parse(raw)
    if config.get("peft_type") != "LORA":
        raise AdapterRefused(
            "not_lora",
            f"The adapter is of type {config.get('peft_type')!r}; only LORA can be served. Train or convert "
            "it to LoRA.",
        )
    if config.get("task_type") not in (None, "CAUSAL_LM"):
        raise AdapterRefused(
            "task_unsupported",
            f"The adapter is for {config['task_type']!r}; a persona needs one for CAUSAL_LM.",
        )
    _refuse_features(config)
    rank, patterns = _ranks(config)
    highest = max([rank, *patterns.values()])
    if highest > max_rank:
        raise AdapterRefused(
            "rank_too_high",
            f"The adapter has rank {highest}, the engine was started for {max_rank}. Raise the setting "
            "max_lora_rank, "
            "or train with a lower rank.",
        )
    targets = config.get("target_modules")
    if not targets or not isinstance(targets, list | str):
        raise AdapterRefused(
            "targets_missing",
            "The configuration has no target_modules, without which the engine does not load the adapter. Save it "
            "again with `save_pretrained` of PEFT.",
        )
    listed = tuple(str(target) for target in targets) if isinstance(targets, list) else ()
    whole = all(not config.get(key) for key in ("layers_to_transform", "layers_pattern", "exclude_modules"))
    return LoraSettings(rank, patterns, highest, listed, whole)


def _parse(raw: bytes) -> dict[str, object]:
    try:
        config = json.loads(raw.decode("utf-8"))  # of bytes json would guess the encoding; the engine does not
    except (ValueError, RecursionError) as error:
        raise AdapterRefused(
            "config_unreadable",
            "adapter_config.json is not JSON in UTF-8 without a byte order mark, which is all that the engine "
            "reads. Save the adapter again with `save_pretrained` of PEFT.",
        ) from error
    if not isinstance(config, dict):
        raise AdapterRefused("config_unreadable", "adapter_config.json holds no object. Save the adapter again.")
    return config


def _refuse_features(config: dict[str, object]) -> None:
    for key, (code, reason) in _REFUSED.items():
        if config.get(key):
            raise AdapterRefused(code, f"The adapter {reason} ({key}). Train it without.")
    if config.get("bias", "none") != "none":
        raise AdapterRefused(
            "bias", f"The adapter trains biases (bias={config['bias']!r}). Train with bias='none'."
        )
    start = config.get("init_lora_weights", True)
    if not (start is None or isinstance(start, bool | str)) or start not in _HARMLESS_INITS:
        raise AdapterRefused(
            "init_alters_base",
            f"The adapter started from a changed base (init_lora_weights={start!r}), so that it does not "
            "fit the base "
            "served here. Convert it with PEFT's path_initial_model_for_weight_conversion.",
        )
    if config.get("fan_in_fan_out"):
        raise AdapterRefused("config_unknown", "The adapter is for transposed layers (fan_in_fan_out).")
    for key in sorted(config.keys() - _KNOWN - _REFUSED.keys()):
        if config[key]:
            raise AdapterRefused(
                "config_unknown",
                f"The configuration sets {key!r}, which Repertory does not know and which may change what "
                "the adapter "
                "computes. Train without it.",
            )


def _ranks(config: dict[str, object]) -> tuple[int, dict[str, int]]:
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not _is_rank(rank):
        raise AdapterRefused("rank_invalid", f"The rank r={rank!r} is not a positive whole number.")
    patterns = _patterns(config, "rank_pattern")
    for key, value in patterns.items():
        if not _is_rank(value):
            raise AdapterRefused("rank_invalid", f"The rank {value!r} of {key!r} is not a positive whole number.")
    for value in [alpha, *_patterns(config, "alpha_pattern").values()]:
        if not _is_scale(value):
            raise AdapterRefused("alpha_invalid", f"The scale lora_alpha={value!r:.40} is not a positive number.")
    return int(str(rank)), {key: int(str(value)) for key, value in patterns.items()}


def _patterns(config: dict[str, object], key: str) -> dict[str, object]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise AdapterRefused("config_unreadable", f"{key} is not an object. Save the adapter again.")
    for name in value:
        # The engine reads these names as regular expressions: one made to run for ever would stop everyone.
        if not _PLAIN_PATTERN.fullmatch(name):
            raise AdapterRefused("pattern_unsafe", f"{key} names {name!r}; only plain module names are allowed.")
    return dict(value)


def _is_scale(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value <= sys.float_info.max  # a whole number may be beyond every float, NaN is beyond none


def _is_rank(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
