"""The base model that adapters must fit: its identity, its template, and the shapes of its linear layers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.fingerprint import base_fingerprint, weight_files
from adapters.template import template_hash
from adapters.tensorfile import read_header

_NOT_LINEAR = ("embed_tokens", "lm_head", "wte", "wpe", "embeddings")


@dataclass(frozen=True, slots=True)
class BaseModel:
    """What an adapter is checked against.

    Attributes:
        name: the folder's name.
        fingerprint: identity of the weights, configuration and tokenizer.
        template_hash: hash of the chat template that serves it.
        linear: module name → (outputs, inputs) of every layer that an adapter may change.
        tokens: number of tokens that the tokenizer knows.
    """

    name: str
    fingerprint: str
    template_hash: str
    linear: Mapping[str, tuple[int, int]]
    tokens: int

    @classmethod
    def load(cls, model_dir: Path, *, cache: Path | None = None) -> "BaseModel":
        """Read the base in `model_dir`; `cache` remembers its fingerprint.

        Raises:
            InvalidRequest: the folder is no complete base model.
        """
        return cls(
            model_dir.resolve().name,
            base_fingerprint(model_dir, cache=cache),
            template_hash(model_dir),
            linear_layers(model_dir),
            count_tokens(model_dir / "tokenizer.json"),
        )


def count_tokens(tokenizer: Path) -> int:
    """Return one more than the highest token id in a `tokenizer.json`, or 0 if it tells of none."""
    content = json.loads(tokenizer.read_text(encoding="utf-8"))
    vocabulary = content.get("model", {}).get("vocab", {})
    highest = [len(vocabulary) - 1] if isinstance(vocabulary, list) else list(vocabulary.values())
    return 1 + max([*highest, *(token["id"] for token in content.get("added_tokens", []))], default=-1)


def linear_layers(model_dir: Path) -> dict[str, tuple[int, int]]:
    """Return module name → (outputs, inputs) of the linear layers, without embeddings and output head."""
    layers: dict[str, tuple[int, int]] = {}
    for path in weight_files(model_dir):
        for name, tensor in read_header(path).items():
            module = name.removesuffix(".weight")
            if module != name and len(tensor.shape) == 2 and module.rpartition(".")[2] not in _NOT_LINEAR:
                layers[module] = (tensor.shape[0], tensor.shape[1])
    return layers
