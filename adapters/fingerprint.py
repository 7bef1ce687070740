"""The identity of a base model: what it computes, never how its files were written.

A hash over tensors (name, number format, shape, bytes), the part of the configuration that changes the
result, and the tokenizer's content. Reads files itself; must never import a machine-learning library.
"""

import hashlib
import json
import os
from pathlib import Path

from adapters.tensorfile import TensorFile, read_header
from core.errors import InvalidRequest

_VERSION = "1"
_CHUNK = 1 << 22

# What changes a forward pass. Everything else (library stamps, cache switches, paths) is left out.
_CONFIG_KEYS = (
    "architectures",
    "attention_bias",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "mlp_bias",
    "model_type",
    "num_attention_heads",
    "num_experts",
    "num_experts_per_tok",
    "num_hidden_layers",
    "num_key_value_heads",
    "quantization_config",
    "rms_norm_eps",
    "rope_parameters",
    "sliding_window",
    "tie_word_embeddings",
    "vocab_size",
)
_TOKENIZER_KEYS = ("bos_token", "eos_token", "unk_token", "add_bos_token", "add_eos_token")


def base_fingerprint(model_dir: Path, *, cache: Path | None = None) -> str:
    """Return the fingerprint of the base in `model_dir` (SHA-256, hex).

    Args:
        model_dir: a Hugging Face folder with safetensors weights.
        cache: a JSON file that remembers fingerprints by the path, size and time of every file that counts.

    Raises:
        InvalidRequest: the folder lacks a configuration, a tokenizer or safetensors weights.
    """
    stamp = _stamp(model_dir)
    known = _load(cache)
    if cache is not None and (found := known.get(stamp)):
        return found
    digest = hashlib.sha256()
    for part in (_VERSION, _config(model_dir), _tokenizer(model_dir)):
        digest.update(hashlib.sha256(part.encode()).digest())
    for name, tensor, path in _tensors(model_dir):
        digest.update(json.dumps([name, tensor.dtype, list(tensor.shape)]).encode())
        _hash_range(digest, path, tensor.start, tensor.end)
    if cache is not None:
        _store(cache, {**known, stamp: digest.hexdigest()})
    return digest.hexdigest()


def weight_files(model_dir: Path) -> list[Path]:
    """Return the safetensors files that the base consists of.

    Raises:
        InvalidRequest: there are none, or the index names one that is missing.
    """
    index = model_dir / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        files = [model_dir / name for name in names]
    else:
        files = sorted(model_dir.glob("*.safetensors"))
    if not files or not all(file.is_file() for file in files):
        raise InvalidRequest(
            f"The base model in {str(model_dir)!r} has no complete safetensors weights. Download or convert it.",
            code="base_incomplete",
        )
    return files


def _tensors(model_dir: Path) -> list[tuple[str, TensorFile, Path]]:
    found = [
        (name, tensor, path) for path in weight_files(model_dir) for name, tensor in read_header(path).items()
    ]
    return sorted(found, key=lambda entry: entry[0])


def _hash_range(digest: "hashlib._Hash", path: Path, start: int, end: int) -> None:
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left:
            chunk = file.read(min(_CHUNK, left))
            if not chunk:
                raise InvalidRequest(f"{str(path)!r} is cut off. Download it again.", code="base_incomplete")
            digest.update(chunk)
            left -= len(chunk)


def _config(model_dir: Path) -> str:
    config = _with_rope(_read(model_dir / "config.json"))
    return json.dumps({key: config[key] for key in _CONFIG_KEYS if config.get(key) is not None}, sort_keys=True)


def _with_rope(config: dict[str, object]) -> dict[str, object]:
    """Bring the older way of writing rotary embeddings into the form of today."""
    scaling = config.get("rope_scaling")
    if config.get("rope_parameters") or (config.get("rope_theta") is None and scaling is None):
        return config
    rope: dict[str, object] = {"rope_theta": config.get("rope_theta"), "rope_type": "default"}
    for key, value in scaling.items() if isinstance(scaling, dict) else ():
        rope["rope_type" if key == "type" else key] = value
    return {**config, "rope_parameters": rope}


def _tokenizer(model_dir: Path) -> str:
    tokenizer = _read(model_dir / "tokenizer.json")
    for passing in ("truncation", "padding"):  # settings of whoever saved the file last
        tokenizer.pop(passing, None)
    settings_file = model_dir / "tokenizer_config.json"
    settings = _read(settings_file) if settings_file.is_file() else {}
    kept = {key: settings[key] for key in _TOKENIZER_KEYS if settings.get(key) is not None}
    return json.dumps([tokenizer, kept], sort_keys=True)


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"The base model lacks a readable {path.name} in {str(path.parent)!r}. Download or convert it again.",
            code="base_incomplete",
        ) from error
    if not isinstance(content, dict):
        raise InvalidRequest(f"{str(path)!r} holds no JSON object. Download it again.", code="base_incomplete")
    return content


def _stamp(model_dir: Path) -> str:
    files = [*weight_files(model_dir), *(model_dir / name for name in ("config.json", "tokenizer.json"))]
    files.append(model_dir / "tokenizer_config.json")
    parts = [_VERSION]
    for file in files:
        if file.is_file():
            status = file.stat()
            parts.append(f"{file.resolve()}:{status.st_size}:{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _load(cache: Path | None) -> dict[str, str]:
    if cache is None or not cache.is_file():
        return {}
    try:
        content = json.loads(cache.read_text())
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _store(cache: Path, content: dict[str, str]) -> None:
    beside = cache.with_name(f"{cache.name}.{os.getpid()}.tmp")
    beside.write_text(json.dumps(content, indent=1, sort_keys=True))
    beside.replace(cache)
