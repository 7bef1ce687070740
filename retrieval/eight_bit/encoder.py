"""What a model folder says about its encoder, where it is one that the graph knows. Knows files, never ONNX."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

WEIGHTS = "model.safetensors"
_MOST_BYTES = 1_500_000_000
"""Of weights: a graph is one message of protocol buffers, which end at 2 GB."""
_LAYER = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_EMBEDDINGS = ("word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm")


class UnfitError(Exception):
    """A model that cannot be had in eight bits. The message goes on after "the embedding model …"."""


class Pooling(StrEnum):
    """How the vectors of the tokens become that of the text."""

    MEAN = "mean"
    CLS = "cls"


@dataclass(frozen=True, slots=True)
class Encoder:
    """The shape of a BERT encoder, as `config.json` and sentence-transformers' files tell it.

    Attributes:
        folder: where it lies.
        hidden: length of a token's vector, and of the text's.
        window: tokens that it reads of a text, its own marks included.
    """

    folder: Path
    hidden: int
    heads: int
    layers: int
    epsilon: float
    pooling: Pooling
    window: int

    @classmethod
    def read(cls, folder: Path) -> "Encoder":
        """Read the shape; the weights stay where they are.

        Raises:
            UnfitError: it is of another kind, or a file of it is missing.
        """
        config = _object(folder / "config.json")
        for key, wanted, usual in (
            ("model_type", "bert", None),
            ("hidden_act", "gelu", "gelu"),
            ("position_embedding_type", "absolute", "absolute"),
            ("is_decoder", False, False),
        ):
            if (found := config.get(key, usual)) != wanted:
                raise UnfitError(f"has {key} {found!r}; only {wanted!r} is known in eight bits")
        for name in (WEIGHTS, "tokenizer.json"):
            if not (folder / name).is_file():
                raise UnfitError(f"has no {name}")
        if (size := (folder / WEIGHTS).stat().st_size) > _MOST_BYTES:
            raise UnfitError(f"has {size / 1e9:.1f} GB of weights, more than a graph can hold")
        try:
            hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
            layers, positions = int(config["num_hidden_layers"]), int(config["max_position_embeddings"])
            epsilon = float(config.get("layer_norm_eps", 1e-12))
        except (KeyError, TypeError, ValueError) as error:
            raise UnfitError(f"has no usable {error} in its config.json") from error
        if heads < 1 or hidden % heads:
            raise UnfitError(f"has {heads} heads for {hidden} numbers")
        return cls(folder, hidden, heads, layers, epsilon, _pooling(folder), _window(folder, positions))

    def tensors(self) -> Mapping[str, Array]:
        """Load the weights, in float32, under BERT's names without a prefix.

        Raises:
            UnfitError: some are missing, or are of a kind that numpy does not have.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            loaded = load_file(self.folder / WEIGHTS)
        except (SafetensorError, TypeError, KeyError, OSError) as error:
            raise UnfitError(f"has weights that cannot be read ({error})") from error
        tensors = {name.removeprefix("bert."): tensor.astype(np.float32) for name, tensor in loaded.items()}
        wanted = [f"embeddings.{part}.weight" for part in _EMBEDDINGS] + ["embeddings.LayerNorm.bias"]
        for layer in range(self.layers):
            wanted += [f"encoder.layer.{layer}.{part}.{kind}" for part in _LAYER for kind in ("weight", "bias")]
        if missing := [name for name in wanted if name not in tensors]:
            raise UnfitError(f"has no {missing[0]!r} among its weights")
        return tensors


def _pooling(folder: Path) -> Pooling:
    """Read the chain of modules, which must be transformer, pooling and, perhaps, normalising."""
    chain = _json(folder / "modules.json")
    if not isinstance(chain, list) or not all(isinstance(module, dict) for module in chain):
        raise UnfitError("has a modules.json that is no list of modules")
    kinds = [str(module.get("type")).rpartition(".")[2] for module in chain]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise UnfitError(f"is made of {', '.join(kinds)}; only Transformer, Pooling and Normalize are known")
    if chain[0].get("path"):
        raise UnfitError("keeps its transformer in a folder below")
    told = _object(folder / str(chain[1].get("path")) / "config.json")
    modes = [key.removeprefix("pooling_mode_") for key, value in told.items() if "mode_" in key and value is True]
    modes = modes or [str(told.get("pooling_mode"))]
    known = {"mean_tokens": Pooling.MEAN, "mean": Pooling.MEAN, "cls_token": Pooling.CLS, "cls": Pooling.CLS}
    if len(modes) != 1 or modes[0] not in known:
        raise UnfitError(f"pools by {' and '.join(modes)}; only mean and cls are known in eight bits")
    return known[modes[0]]


def _window(folder: Path, positions: int) -> int:
    told = _object(folder / "sentence_bert_config.json")
    if told.get("do_lower_case"):
        raise UnfitError("writes texts in small letters before its tokenizer sees them")
    window: int | None = told.get("max_seq_length")
    if not window:
        path = folder / "tokenizer_config.json"
        window = _object(path).get("model_max_length") if path.is_file() else None
    return min(int(window or positions), positions)


def _object(path: Path) -> dict[str, Any]:
    found = _json(path)
    if not isinstance(found, dict):
        raise UnfitError(f"has a {path.name} that is no object")
    return found


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnfitError(f"has no {path.name} that can be read") from error
